"""Twilio Verify v2, as its SDKs speak it, over the service's own verifications. Start with `verifications`."""
