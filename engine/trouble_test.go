package engine

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatCannotBeAppliedIsTold has the ledger refuse everything: the sums of the audit hold, and yet nothing goes on.
func TestWhatCannotBeAppliedIsTold(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	c.Ledger.Path = filepath.Join(t.TempDir(), "ledger.db")
	e := open(t, c)
	opened(t, e, nil)
	raw, err := sql.Open("sqlite", c.Ledger.Path+"?_pragma=busy_timeout(60000)") // the engine writes too
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	stop := `CREATE TRIGGER stop BEFORE UPDATE OF cursor ON origin BEGIN SELECT RAISE(ABORT, 'no'); END`
	if _, err := raw.ExecContext(t.Context(), stop); err != nil {
		t.Fatal(err)
	}
	appendOne(t, e, "demo")
	eventually(t, "telling it by health", func() bool {
		h := e.Health(t.Context())
		return h.Status == StatusDegraded && h.Apply.Status == StatusDegraded && strings.Contains(h.Apply.Detail, "do not reach the ledger")
	})
	audit, err := e.Audit(t.Context())
	if err != nil || len(audit.Origins) != 1 || !audit.Balanced || audit.Trouble == "" || audit.Origins[0].WaitingSince == nil {
		t.Errorf("the audit is %+v, %v", audit, err)
	}
	if _, err := raw.ExecContext(t.Context(), `DROP TRIGGER stop`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "going on", func() bool {
		audit, err := e.Audit(t.Context())
		return err == nil && audit.Trouble == "" && e.Health(t.Context()).Status == StatusOK && countSessions(t, e) == 1
	})
}
