package forward

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// A ledger may refuse the whole of a batch for a reason that is no record's. Nobody must have to guess it from what is missing.
func TestALedgerThatRefusesIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedgerAt(t, path)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	must := func(statement string) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	must(`CREATE TRIGGER stop BEFORE UPDATE OF cursor ON origin BEGIN SELECT RAISE(ABORT, 'a secret value'); END`)

	j := openJournal(t, t.TempDir())
	a, old := newApplier(t, j, l), click("demo")
	old.Time = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	fresh := click("demo")
	appendAll(t, j, old.AppendRecord(nil), fresh.AppendRecord(nil))
	if trouble, some := a.Trouble(); some {
		t.Errorf("before anything was tried there is %+v", trouble)
	}
	for range 2 {
		if _, err := a.Step(t.Context()); err == nil {
			t.Fatal("the ledger takes what it should refuse")
		}
		trouble, some := a.Trouble()
		origin, _ := j.Live()
		if !some || !trouble.Since.Equal(old.Time) || !trouble.Origins[origin].Equal(old.Time) || trouble.Reason == "" ||
			strings.Contains(trouble.Reason, "secret") {
			t.Errorf("the trouble is %+v, want one since %v", trouble, old.Time)
		}
		if lag := shownLag(t); lag < 3600 || lag > 7200 {
			t.Errorf("the lag is %v s", lag)
		}
	}

	must(`DROP TRIGGER stop`)
	if _, err := a.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if trouble, some := a.Trouble(); some {
		t.Errorf("when all was applied there is %+v", trouble)
	}
	if lag := shownLag(t); lag > 3600 {
		t.Errorf("the lag is still %v s", lag)
	}
}

func shownLag(t *testing.T) float64 {
	t.Helper()
	var shown dto.Metric
	if err := applyLag.Write(&shown); err != nil {
		t.Fatal(err)
	}
	return shown.GetGauge().GetValue()
}

// What another hub has applied in the meantime waits no more.
func TestTroubleEndsWhereAnotherHubGoesOn(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	s := click("demo")
	appendAll(t, j, s.AppendRecord(nil))
	a, other := newApplier(t, j, l), newApplier(t, j, l)
	live, _ := j.Live()
	a.troubles.note(live, live, s.Time, errHole)
	if trouble, some := a.Trouble(); some {
		t.Errorf("a gap of this moment is trouble: %+v", trouble)
	}
	a.troubles.note(live, live, s.Time, sql.ErrConnDone)
	if _, some := a.Trouble(); !some {
		t.Error("an error is no trouble")
	}
	if _, err := other.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Pass(t.Context()); err != nil { // which asks the ledger where it is
		t.Fatal(err)
	}
	if _, err := a.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if trouble, some := a.Trouble(); some {
		t.Errorf("the other has applied it, and there is %+v", trouble)
	}
}
