"""An error reporter's view of a traceback: the local variables of hookguard's own frames."""

from collections.abc import Mapping


def report(error):
    """Everything that is shown of hookguard's frames, of the error and of what it came from."""
    shown, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        shown.append(str(error))
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_globals.get("__name__", "").startswith("hookguard"):
                for name, value in step.tb_frame.f_locals.items():
                    # An ASGI scope is the server's, and stands in the frames of every middleware.
                    if name != "scope":
                        shown += walked(value)
            step = step.tb_next
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(shown)


def walked(value, depth=0):
    """Members of mappings and sequences one by one, as reporters show them; of anything else its repr."""
    if depth < 6:
        if isinstance(value, Mapping) and not hasattr(type(value), "__sentry_repr__"):
            return [text for key, each in value.items() for text in [str(key), *walked(each, depth + 1)]]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [text for each in value for text in walked(each, depth + 1)]
    return [repr(value)]
