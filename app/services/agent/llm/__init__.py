"""An engine that asks a language model, behind an OpenAI-compatible API."""
