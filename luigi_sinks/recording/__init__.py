"""Records what runs do, for lineage: which task ran, when, and which versions it read and wrote."""
