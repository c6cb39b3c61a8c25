"""Which layers can take which compression: layers by actions, the damage of each and the milliseconds that it saves."""
