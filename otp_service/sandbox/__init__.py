"""A simulator of the SMS gateways, with a phone to look at and a shop to try: it speaks HTTP only.

Read `state.py` (what it remembers), `sending.py` (what happens to an SMS), then `gateways/` (one module per family of
operations; `gateways/__init__.py` lists them all). `fault_layer.py` makes gateways misbehave, `control.py` is `/_sim`,
`pages/` are the phone inbox (`/`) and the shop (`/demo`).

Sources: P, X…, K… are the vendor documents of docs/gateways/. Where they are silent the choice is ours and says "ours".
"""
