"""Stand-ins for the third parties that the hub depends on; none of them knows the hub.

They are stateful and count what they did, so that a test or a demonstration can ask the third party, and not the hub,
how often an effect took place.
"""
