globalThis.True = true; // which the sample writes
