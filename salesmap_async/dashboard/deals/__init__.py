"""All deals: filtered, summed, sorted; and what each colleague has open."""
