"""The SodaCL engine: the only place that imports soda. The service uses `engine.SodaEngine`."""
