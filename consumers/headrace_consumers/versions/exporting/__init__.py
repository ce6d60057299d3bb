"""A version in formats of others: Hugging Face datasets, OpenAI chat, JSON Lines, CSV."""
