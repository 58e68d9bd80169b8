"""A simulator of the SMS gateways, with a phone to look at and a shop to try: it speaks HTTP only.

Read `state.py` (what it remembers), `drafts.py` and `sending.py` (what happens to a message), `cascades.py` (Viber,
then SMS), then `gateways/` (one module per family of operations; `gateways/__init__.py` lists them all).
`callbacks.py` posts delivery reports, `fault_layer.py` makes gateways misbehave, `control.py` is `/_sim`, `pages/` are
the phone inbox (`/`) and the shop (`/demo`).

Sources: P…, X…, G…, J… and K… are clauses of docs/gateways/. Where they are silent the choice is ours and says "ours".
"""
