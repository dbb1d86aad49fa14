package forward

import (
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

// Only another copy of the process can have written more of a live origin than this one did. A stranger can add to its stream,
// which is then broken and sent again; an older copy of a disk, whose process is gone, has less of an old origin.
func TestWhoHasMoreThanThisProcessWroteIsItsCopy(t *testing.T) {
	genuine := relay.End{Genuine: true}
	for name, c := range map[string]struct {
		told   relay.Answer
		cursor int64
		old    bool
		want   bool
	}{
		"nothing yet":                     {relay.Answer{}, unknown, false, false},
		"all of it, and no more":          {relay.Answer{Last: 5, First: 1, Len: 5, End: genuine}, 0, false, false},
		"a copy's record":                 {relay.Answer{Last: 6, First: 1, Len: 6, End: genuine}, 0, false, true},
		"a copy's record, applied":        {relay.Answer{Last: 6}, 6, false, true},
		"a copy's, and Redis lost it":     {relay.Answer{}, 6, false, true},
		"a copy's, out of a broken run":   {relay.Answer{Last: 9, First: 1, Len: 3, End: genuine}, 0, false, true},
		"a stranger's entry":              {relay.Answer{Last: 6, First: 1, Len: 6}, 0, false, false},
		"a stranger's entry, taken away":  {relay.Answer{Last: 6, First: 1, Len: 5}, 0, false, false},
		"a stranger's entry in no stream": {relay.Answer{Last: 6}, 0, false, false},
		"a stranger's XADD *":             {relay.Answer{Last: strangerID, First: 1, Len: 6, End: genuine}, 0, false, false},
		"an older disk":                   {relay.Answer{Last: 6, First: 1, Len: 6, End: genuine}, 6, true, false},
	} {
		p := &position{stream: c.told, cursor: c.cursor, live: !c.old, polled: true}
		if got := p.beyond(journal.State{Durable: 5, Live: !c.old}); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
