// Registers the `consul:` scheme as a side effect of being loaded; nothing to import from here.
export {};
