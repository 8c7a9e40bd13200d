"""Pure decisions: values in, values out. No clock, no network, no logging."""
