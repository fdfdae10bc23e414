"""Where chat sessions are kept."""
