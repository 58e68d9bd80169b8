"""Kind `http`: a provider described by a table of the settings, without code.

`config` is the table, `templates` fill in requests, `requests` make them, `reading` understands answers, `gateway` puts
them together; `providers` holds ready tables. docs/gateways/http.md describes every key.
"""
