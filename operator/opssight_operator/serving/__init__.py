"""``opssight serve``: the engine over HTTP. The server reads and answers, other processes compute."""
