package relay

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestCallRefusesEntriesOutOfSequence(t *testing.T) {
	r := Open(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}})
	defer r.Close()
	at := func(seqs ...uint64) (entries []tracker.Entry) {
		for _, s := range seqs {
			entries = append(entries, tracker.Entry{Seq: s, Payload: click()})
		}
		return entries
	}
	for name, c := range map[string]Call{
		"gap":           {Origin: origin, Entries: at(1, 3)},
		"zero":          {Origin: origin, Entries: at(0)},
		"backwards":     {Origin: origin, Entries: at(2, 1)},
		"too high":      {Origin: origin, Entries: at(maxSeq)},
		"not above":     {Origin: origin, Expected: 5, Entries: at(5)},
		"reset and gap": {Origin: origin, Expected: 5, Reset: true, Entries: at(1, 3)},
	} {
		if _, err := r.Append(t.Context(), c); !errors.Is(err, ErrCall) {
			t.Errorf("%s: %v, want ErrCall", name, err)
		}
	}
}

func TestOpenDoesNotDialAndACallFailsSoon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts, and says nothing
	o := &redis.UniversalOptions{Addrs: []string{l.Addr().String()}}
	r := Open(o)
	defer r.Close()
	if o.MaxRetries != 0 || o.ContextTimeoutEnabled {
		t.Error("the caller's options were changed")
	}
	took := time.Hour
	for range 3 { // a machine that stands still for a moment makes one of them late
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := r.Announce(ctx, origin); err == nil {
			t.Error("a silent server announced")
		}
		took = min(took, time.Since(start))
	}
	if took > time.Second {
		t.Errorf("a deadline of 50 ms took %v each time", took)
	}
}

func TestParseAnswer(t *testing.T) {
	a, err := parseAnswer("o", []any{int64(1), "18446744073709551615", "3", int64(2), "7", "junk", nil})
	want := Answer{OK: true, Last: 1<<64 - 1, First: 3, Len: 2, Cursor: 7, Settled: -1}
	if err != nil || a != want {
		t.Errorf("%+v, %v", a, err)
	}
	for _, reply := range [][]any{
		nil, {int64(1), "1", "1", int64(1), "1", "1"}, {"1", "1", "1", int64(1), "1", "1", nil}, {int64(1), "x", "1", int64(1), "1", "1", nil},
	} {
		if a, err := parseAnswer("o", reply); err == nil {
			t.Errorf("%v: %+v", reply, a)
		}
	}
}

// Whatever is not known to be the record of that number tells nothing: an edge that took it for another copy's would begin
// a new origin for it.
func TestParseEnd(t *testing.T) {
	for name, c := range map[string]struct {
		reply any
		want  End
	}{
		"nothing":               {nil, End{}},
		"kept":                  {"7-0 an-id", End{Genuine: true, ID: "an-id"}},
		"kept of another":       {"77-0 an-id", End{}},
		"kept without an id":    {"7-0", End{}},
		"a stranger's entry":    {[]any{"7-0", []any{"from", "a stranger"}}, End{}},
		"an entry of no fields": {[]any{"7-0", nil}, End{}},
		"half an entry":         {[]any{"7-0"}, End{}},
		"a number":              {int64(7), End{}},
	} {
		if got := parseEnd("o", 7, c.reply); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPolicyOf(t *testing.T) {
	info := "# Memory\r\nused_memory:1\r\nmaxmemory_policy:allkeys-lru\r\nx:y\r\n"
	if got := policyOf(info); got != "allkeys-lru" {
		t.Errorf("%q", got)
	}
	if got := policyOf("# Memory\r\n"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestParseStreamKey(t *testing.T) {
	if o, p, ok := parseStreamKey("affiliate:{a-1}:events"); !ok || o != "a-1" || p != "" {
		t.Error(o, p, ok)
	}
	if o, p, ok := parseStreamKey("affiliate:{a-1}:parked:17"); !ok || o != "a-1" || p != "17" {
		t.Error(o, p, ok)
	}
	for _, key := range []string{"", "affiliate:{}:events", "affiliate:{a", "affiliate:{a}b}:events", "affiliate:{a}:cursor", "affiliate:{a}:parked:", "x:{a}:events"} {
		if o, p, ok := parseStreamKey(key); ok {
			t.Errorf("%q: %q %q", key, o, p)
		}
	}
}

func TestMetricsFollowTheRules(t *testing.T) {
	done("append", nil)
	resetsTotal.WithLabelValues("parked")
	entriesTotal.WithLabelValues("read")
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != len(Collectors()) {
		t.Errorf("%d of %d metrics were gathered", len(families), len(Collectors()))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
