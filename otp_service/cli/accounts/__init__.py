"""`otp-service targetsms …` and `otp-service smska …`: what the accounts at the providers hold and can do.

`table` names every command; `parsers` makes the command line of it; `running` carries one out. The functions that
commands name live in `reading`, `lists` and `sending`.
"""
