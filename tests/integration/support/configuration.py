"""Configurations as plain mappings, in the shape of the YAML file.

`Sluice` fills in what a test leaves out: `bind` of listeners and of the admin listener (free ports), the
access log's path, one worker, and a short shutdown deadline.
"""


def listener(name="web", *rules, default="targets", **more):
    """`default` is the name of a group, an action, or None for no default action at all."""
    result = {"name": name, **more}
    if rules:
        result["rules"] = list(rules)
    if default is not None:
        result["default_action"] = {"forward": default} if isinstance(default, str) else default
    return result


def rule(name, priority, *conditions, action, **more):
    action = {"forward": action} if isinstance(action, str) else action
    return {"name": name, "priority": priority, "conditions": list(conditions), "action": action,
            **more}


def group(name, *targets, **more):
    """A target is an object with an `address`, an address, or a mapping."""
    return {"name": name, "targets": [_target(each) for each in targets], **more}


def site(*targets, **sections):
    """One listener `web`, one group `targets`; further keyword arguments are sections of the file."""
    return {"listeners": [listener()], "target_groups": [group("targets", *targets)], **sections}


def tls(*certificates, **more):
    return {"certificates": [each.as_config() for each in certificates], **more}


def _target(each):
    if isinstance(each, dict):
        return each
    return {"address": each if isinstance(each, str) else each.address}
