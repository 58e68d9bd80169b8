"""sms-ka, "HTTP API протокол", ver 2014-05-05 (K): `api` (wire form and operations) and `gateway` on top."""
