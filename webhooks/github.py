"""GitHub's webhooks, of repositories, organisations and GitHub Apps alike.

Set their content type to `application/json`: the other choice wraps the JSON in a form.
https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from datetime import timedelta

from hub import Sample, Source, field, header, joined, prefixed_hex

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
# X-Hub-Signature beside it is SHA-1, for old receivers, and is not looked at.
scheme = prefixed_hex("X-Hub-Signature-256", prefix="sha256=")


def sign(sample: Sample, secret: str) -> dict[str, str]:
    """The headers of a delivery: https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers."""
    return {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": sample.id,
        "X-GitHub-Event": sample.type.partition(".")[0],
        "X-GitHub-Hook-ID": "109948940",
        "X-Hub-Signature-256": "sha256=" + scheme.sign(sample.body, secret).hex(),
    }


REPOSITORY = b"""{
    "id": 186853002,
    "node_id": "MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=",
    "name": "Hello-World",
    "full_name": "Codertocat/Hello-World",
    "private": false,
    "owner": {"login": "Codertocat", "id": 21031067, "type": "User", "site_admin": false},
    "html_url": "https://github.com/Codertocat/Hello-World",
    "description": null,
    "fork": false,
    "url": "https://api.github.com/repos/Codertocat/Hello-World",
    "clone_url": "https://github.com/Codertocat/Hello-World.git",
    "language": null,
    "open_issues_count": 1,
    "default_branch": "master"
  }"""
SENDER = b"""{
    "login": "Codertocat",
    "id": 21031067,
    "node_id": "MDQ6VXNlcjIxMDMxMDY3",
    "url": "https://api.github.com/users/Codertocat",
    "html_url": "https://github.com/Codertocat",
    "type": "User",
    "site_admin": false
  }"""


def about(event: bytes) -> bytes:
    """A payload with the repository and the sender that GitHub puts into each."""
    return b'{\n  %s,\n  "repository": %s,\n  "sender": %s\n}' % (event.strip(), REPOSITORY, SENDER)


source = Source(
    "github",
    scheme=scheme,
    # The same when a delivery is sent again, and not covered by the signature (nothing but the body is): whoever has
    # recorded a delivery and knows no secret can have it taken for a new one, but cannot change what it says.
    # https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#use-the-x-github-delivery-header
    event_id=header("X-GitHub-Delivery"),
    # `issues.opened`; `push` and `ping` have no action.
    event_type=joined(header("X-GitHub-Event"), field("action")),
    # https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds
    answer_within=timedelta(seconds=10),
    sign=sign,
    # GitHub's own examples (github.com/octokit/webhooks), less the links and the repetitions.
    samples={
        "ping": about(b"""
  "zen": "Anything added dilutes everything else.",
  "hook_id": 109948940,
  "hook": {
    "type": "Repository",
    "id": 109948940,
    "name": "web",
    "active": true,
    "events": ["*"],
    "config": {"content_type": "json", "url": "https://hub.example.com/webhooks/github", "insecure_ssl": "0"},
    "updated_at": "{{iso}}",
    "created_at": "{{iso}}"
  }"""),
        "push": about(b"""
  "ref": "refs/heads/master",
  "before": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
  "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
  "created": false,
  "deleted": false,
  "forced": false,
  "base_ref": null,
  "compare": "https://github.com/Codertocat/Hello-World/compare/f95f852bd8fc...6113728f27ae",
  "commits": [
    {
      "id": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
      "tree_id": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
      "distinct": true,
      "message": "Adding a .gitignore file",
      "timestamp": "{{iso}}",
      "author": {
        "name": "Codertocat",
        "email": "21031067+Codertocat@users.noreply.github.com",
        "username": "Codertocat"
      },
      "added": [".gitignore"],
      "removed": [],
      "modified": []
    }
  ],
  "head_commit": {
    "id": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "message": "Adding a .gitignore file",
    "timestamp": "{{iso}}"
  },
  "pusher": {"name": "Codertocat", "email": "21031067+Codertocat@users.noreply.github.com"}"""),
        "issues.opened": about(b"""
  "action": "opened",
  "issue": {
    "url": "https://api.github.com/repos/Codertocat/Hello-World/issues/1",
    "html_url": "https://github.com/Codertocat/Hello-World/issues/1",
    "id": 444500041,
    "node_id": "MDU6SXNzdWU0NDQ1MDAwNDE=",
    "number": 1,
    "title": "Spelling error in the README file",
    "user": {"login": "Codertocat", "id": 21031067, "type": "User", "site_admin": false},
    "labels": [{"id": 1362934389, "name": "bug", "color": "d73a4a", "default": true}],
    "state": "open",
    "locked": false,
    "assignee": null,
    "assignees": [],
    "milestone": null,
    "comments": 0,
    "created_at": "{{iso}}",
    "updated_at": "{{iso}}",
    "closed_at": null,
    "author_association": "OWNER",
    "body": "It looks like you accidently spelled 'commit' with two 't's."
  }"""),
        "pull_request.opened": about(b"""
  "action": "opened",
  "number": 2,
  "pull_request": {
    "url": "https://api.github.com/repos/Codertocat/Hello-World/pulls/2",
    "html_url": "https://github.com/Codertocat/Hello-World/pull/2",
    "id": 279147437,
    "node_id": "MDExOlB1bGxSZXF1ZXN0Mjc5MTQ3NDM3",
    "number": 2,
    "state": "open",
    "title": "Update the README with new information.",
    "user": {"login": "Codertocat", "id": 21031067, "type": "User", "site_admin": false},
    "body": "This is a pretty simple change that we need to pull into master.",
    "created_at": "{{iso}}",
    "updated_at": "{{iso}}",
    "closed_at": null,
    "merged_at": null,
    "head": {"label": "Codertocat:changes", "ref": "changes", "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    "base": {"label": "Codertocat:master", "ref": "master", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
    "draft": false,
    "merged": false,
    "commits": 1,
    "additions": 1,
    "deletions": 1,
    "changed_files": 1
  }"""),
    },
)
