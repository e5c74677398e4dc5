"""`make certify`: the real hub under faults drawn from a seed, and a certificate of what became of the work.

Nothing of the hub is replaced: real web and worker processes, a PostgreSQL and a Redis of its own, two providers that
count what they did. The reading order is schedule (what will happen), stage (where), load and faults (it happens), books
(what the outside saw), invariants (what must hold), certificate (what is said about it).

One more kind of input is a name and a share in `schedule`, its job in `work`, its request in `load`, and the effects it
must have in `invariants.effects_of`.
"""
