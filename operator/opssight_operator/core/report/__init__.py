"""A pattern report as people read it: Markdown, one self-contained HTML page, and chunks that fit into ConfigMaps."""
