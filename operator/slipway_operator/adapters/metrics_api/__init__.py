"""The custom metrics API over TLS: its server, its certificates, its registration, and what it learns of pods."""
