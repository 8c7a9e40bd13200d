"""Detection quality on public data: the shipped default through public scorers."""
