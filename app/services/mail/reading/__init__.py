"""Mail in, the pure side: its new words apart from its history, machines apart from people."""
