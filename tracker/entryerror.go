package tracker

import "fmt"

// EntryError says which entry of a list could not be booked, where a list is booked as a whole or not at all.
type EntryError struct {
	Index int // from 0
	Err   error
}

// Error implements error.
func (e *EntryError) Error() string { return fmt.Sprintf("entry %d: %v", e.Index, e.Err) }

// Unwrap returns what is wrong with the entry.
func (e *EntryError) Unwrap() error { return e.Err }
