"""django-allauth and django-two-factor-auth over otp-service."""
