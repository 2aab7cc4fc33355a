"""A machine that keeps trying: a seeded random mix of faults and edits, run against the real control plane.

What a person tries once, on a day, finds what that person thinks of. Here a seed makes a plan of actions (`plan`):
people edit refs and Secrets, backups move, tenants do their worst, Astra Control, the API server, etcd and the network
break, operators are killed, frozen and replaced. The plan runs (`run`) on a stage of real processes (`stage`), while a
watch of its own records each version of each ref (`history`). Faults end before the run does. Then each status is
compared with what it has to be (`truth`), and each version with what must always be true (`invariants`).

    python -m dev.soak --seconds 600 --seed 7
    python -m dev.soak --replay FOLDER/actions.jsonl

What a status has to be is derived from the public contract, docs/reference.md, and never by the operator's own code:
the two have to agree.
"""
