package journal

import (
	"testing"
	"time"
)

func TestRenewBeginsAnotherOriginAndKeepsTheOldReadable(t *testing.T) {
	j, err := Open(t.TempDir(), Options{retry: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ticket, err := j.Append([]byte("before"))
	if err != nil || ticket.Wait(5*time.Second) != nil {
		t.Fatal(err)
	}
	old, _ := j.Live()
	if err := j.Renew(); err != nil {
		t.Fatal(err)
	}
	live, ok := j.Live()
	if !ok || live == old {
		t.Fatalf("live origin is %q after renewing %q", live, old)
	}
	ticket, err = j.Append([]byte("after"))
	if err != nil || ticket.Wait(5*time.Second) != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]string{old: "before", live: "after"} {
		entries, err := j.Read(origin, 0, 1<<20)
		if err != nil || len(entries) != 1 || string(entries[0].Payload) != want {
			t.Errorf("origin %s holds %v, %v; want %q", origin, entries, err, want)
		}
	}
}
