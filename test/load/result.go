package load

import (
	"fmt"
	"slices"
	"time"
)

// Token is one cookie that a client received, and the session that the site said it stands for.
type Token struct{ Session, Cookie string }

// Result is what came of a load.
type Result struct {
	Tokens    []Token         // every token received
	Statuses  map[int]int     // responses by status
	Errors    int             // requests without a complete response: refused, reset, timed out
	Cut       int             // those of them whose response broke off
	Repeated  int             // requests that were sent again, see Load.Repeats
	LastError error           // the last of the errors
	Unsent    int             // requests that were due while ten seconds' worth of others waited
	Latencies []time.Duration // of each request, from when it was due
}

// Failed counts the requests that a visitor saw fail: no complete response, or a status of 500 and above.
func (r *Result) Failed() int {
	failed := r.Errors + r.Unsent
	for status, n := range r.Statuses {
		if status >= 500 {
			failed += n
		}
	}
	return failed
}

// Quantile returns the latency below which that part (0 to 1) of the requests stayed; 0 when there were none.
func (r *Result) Quantile(part float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	sorted := slices.Clone(r.Latencies)
	slices.Sort(sorted)
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// String is one line for a test's log.
func (r *Result) String() string {
	s := fmt.Sprintf("%d requests, %d tokens, statuses %v, %d errors (%d cut), %d unsent, p50 %s, p99 %s", len(r.Latencies),
		len(r.Tokens), r.Statuses, r.Errors, r.Cut, r.Unsent, r.Quantile(0.5).Round(time.Microsecond), r.Quantile(0.99).Round(time.Microsecond))
	if r.Repeated > 0 {
		s += fmt.Sprintf(", %d sent again", r.Repeated)
	}
	if r.LastError != nil {
		s += ", last error: " + r.LastError.Error()
	}
	return s
}
