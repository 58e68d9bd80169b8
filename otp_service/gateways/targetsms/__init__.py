"""TargetSMS: wire forms (`xml`, `php`) and error texts below, one module per family of operations, gateways on top."""
