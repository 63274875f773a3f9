"""Evidence from embeddings: exact bets against fresh references, fixed scalar scores, and an
advisory approximation."""
