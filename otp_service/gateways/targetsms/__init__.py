"""TargetSMS: `xml` (wire form) and `errors` (texts) below, one module per operation, the adapters on top."""
