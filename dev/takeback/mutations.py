"""What the soak has to find.

Each is a fix, named after the input that it was made for, as the texts of the source that undo it. `dev/takeback` runs
the soak on each. `UNREACHABLE` lists inputs that the soak cannot produce, and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Edit:
    """In a file below operator/astra_mirror, `old`, which occurs once, becomes `new`."""

    file: str
    old: str
    new: str


MUTATIONS: Final[Mapping[str, tuple[Edit, ...]]] = {
    "yaml-escape": (
        Edit("core/toolkit.py", "    except Exception:  # noqa: BLE001", "    except KeyError:  # noqa: BLE001"),
        Edit(
            "core/connection.py",
            "    except Exception as error:  # noqa: BLE001",
            "    except KeyError as error:  # noqa",
        ),
    ),
    "large-secret": (
        Edit("core/secret_keys.py", "    if size > limit:", "    if size > limit * 100:"),
        Edit("core/toolkit.py", "MAX_TOKENS: Final = 10_000", "MAX_TOKENS: Final = 10_000_000"),
        Edit(
            "core/connection.py",
            '    return len(data.get(TOOLKIT, "")) <=',
            '    return True or len(data.get(TOOLKIT, "")) <=',
        ),
    ),
    "many-names": (
        Edit("core/secret_names.py", "        return self.name == DEFAULT_SECRET", "        return False"),
        Edit("core/secret_names.py", "MAX_NAMES: Final = 16", "MAX_NAMES: Final = 1000"),
        Edit("core/secret_names.py", "MAX_WATCHES: Final = 250", "MAX_WATCHES: Final = 12"),
        Edit(
            "cluster/secret_assignment.py",
            "        for selector in self._watches.forbidden(now):\n",
            "        for selector in list[SecretSelector]():\n",
        ),
    ),
    "edited-bundles": (
        Edit("core/contexts.py", "MAX_CONTEXTS: Final = 64", "MAX_CONTEXTS: Final = 6400"),
        Edit("core/contexts.py", "MAX_CONTEXTS_FOR_NAMESPACE: Final = 2", "MAX_CONTEXTS_FOR_NAMESPACE: Final = 2000"),
        Edit(
            "core/contexts.py",
            "        evicted = [self._drop(key) for key in list(self._kept) if key not in used]",
            "        evicted: list[Key] = []",
        ),
    ),
    "held-lists": (
        Edit("core/body_pools.py", "LIST_BYTES: Final = 64 * MIB", "LIST_BYTES: Final = 6400 * MIB"),
        Edit("core/body_pools.py", "SMALL_BYTES: Final = 4 * MIB", "SMALL_BYTES: Final = 400 * MIB"),
    ),
    "wrong-account": (
        Edit(
            "core/breaker.py",
            "        elif not self.is_proven:\n            self._open(failure, now, tries=ACCOUNTS_TRIED)",
            "        else:\n            self._open(failure, now, tries=0)",
        ),
        Edit("core/breaker.py", "        elif is_news:", "        if False:"),
    ),
    "not-found-page": (
        Edit(
            "cluster/statuses.py",
            "        if _is_not_found(response, names, name):\n"
            "            return await self.get(names, namespace, name, uid=uid)",
            "        if response.code == HTTPStatus.NOT_FOUND:\n            return Gone()",
        ),
    ),
    "secrets-unreadable": (
        Edit(
            "core/secret_reading.py",
            "        return self.failing_seconds(now) >= FAILING_SECONDS + patience",
            "        return False",
        ),
        Edit(
            "core/secret_reading.py",
            "        return ReadProblem.FAILING if self.failing_seconds(now) >= FAILING_SECONDS else None",
            "        return None",
        ),
    ),
    "lies-stand": (
        Edit(
            "core/corrections.py",
            "        return max(now, self.last + delay) if delay else now",
            "        return now + 900",
        ),
    ),
    "refused-by-policy": (
        Edit("core/refusals.py", "MAX_DELAY_SECONDS: Final = 60.0", "MAX_DELAY_SECONDS: Final = 900.0"),
        Edit("core/refusals.py", "FIRST_DELAY_SECONDS: Final = 1.0", "FIRST_DELAY_SECONDS: Final = 300.0"),
    ),
    "api-server-away": (
        Edit("core/refusals.py", "FIRST_DELAY_SECONDS: Final = 1.0", "FIRST_DELAY_SECONDS: Final = 60.0"),
        Edit("engine/status_writer.py", "        self._refusals.forgive()\n", "        return\n"),
        Edit("engine/writing.py", "                self._patcher.give_up()\n", ""),
    ),
    "two-writes-at-once": (
        Edit(
            "engine/status_writer.py",
            "        if tracked.uid in self._slots:\n            self._again.add(tracked.uid)\n        else:\n",
            "        if True:\n",
        ),
    ),
    "hung-writes": (
        Edit("core/write_slots.py", "HUNG: Final = 48", "HUNG: Final = 0"),
        Edit("core/write_slots.py", "        return len(held) < SLOTS - _FREE_FOR_OTHERS", "        return True"),
    ),
    "backed-off-probes": (Edit("core/circuit.py", "PROBE_INTERVAL: Final = 60.0", "PROBE_INTERVAL: Final = 660.0"),),
    "moving-words": (
        Edit(
            "engine/next_report.py",
            "    return are_remote(outcome) and",
            "    return False and are_remote(outcome) and",
        ),
    ),
    "dead-secrets-watch": (
        Edit("cluster/secret_reflector.py", "\n_WATCH_SECONDS: Final = ", "\n_WATCH_SECONDS: Final = 600 + "),
        Edit("cluster/secret_reflector.py", "\n_LIST_SECONDS: Final = 300.0", "\n_LIST_SECONDS: Final = 3000.0"),
        Edit("cluster/secret_api.py", "_GRACE_SECONDS: Final = 8.0", "_GRACE_SECONDS: Final = 80.0"),
    ),
    "echoed-token": (
        Edit("core/connection.py", "        return redact_document(body, self.token)", "        return body"),
        Edit("core/connection.py", "        return redact_text(text, self.token)", "        return text"),
    ),
    "quoted-answer": (
        Edit(
            "astra/failures.py",
            '    return Failed(SyncReason.UNREACHABLE, f"{connection.url} cannot be reached{via}: {why}.")',
            '    return Failed(SyncReason.UNREACHABLE, f"{connection.url} cannot be reached: {error!r} {why}.")',
        ),
    ),
    "strange-urls": (
        Edit(
            "core/urls.py",
            "        if _NAME.fullmatch(text) and _is_known_to_idna(text):\n            return text",
            "        return text",
        ),
    ),
    "two-operators": (Edit("core/diff.py", "    status = with_derived_of(actual, status)\n", ""),),
    "error-event": (
        Edit(
            "cluster/watch.py",
            '            logger.warning("The watch on %s starts anew: %s", self._what, failure)\n',
            "            raise RuntimeError(failure)\n",
        ),
    ),
    "go-durations": (
        Edit(
            "support/durations.py",
            "    return parse_nanoseconds(text) / 1_000_000_000",
            "    return sum(float(f'{m[1]}.{m[2] or 0}') * _UNITS[m[3]] / 1e9 for m in _PART.finditer(text))",
        ),
    ),
    "issuing-authority": (
        Edit("astra/tls.py", "    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN\n", ""),
        Edit(
            "astra/tls.py",
            "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n",
            "    context.verify_flags |= ssl.VERIFY_X509_STRICT\n",
        ),
    ),
    "event-names": (Edit("core/events.py", "{name[:_MAX_NAME].rstrip('-.')}", "{name[:_MAX_NAME]}"),),
    "short-tokens": (Edit("core/connection.py", "_MIN_TOKEN: Final = 8", "_MIN_TOKEN: Final = 1"),),
    "edited-target": (
        Edit(
            "engine/kinds/app_backup_ref.py",
            "        return self._report(forget(_status(held)), pace)",
            "        return self._report(_status(held), pace)",
        ),
    ),
}
"""By the name of the input, or of another fault that the same change fixed."""

UNREACHABLE: Final[Mapping[str, str]] = {
    "24,000 labels": "a step of 134 ms is no event that a machine with other work to do can tell",
    "kubeconfig": "the soak has one kind of it, with a token; tests/cases/test_kubeconfig.py has others",
    "a role without watch": "/readyz is judged at the start and at the end, when the role is whole",
    "recipes, README, alerts": "they are documents; tests/docs and tests/judges run them",
    "requestedAt while paused": "how soon after a pause it is handled is timed by tests/engine alone",
    "DNS, then no CA, then a wrong CA": "which cause an Event names is judged by tests/cases/test_tls.py alone",
}
