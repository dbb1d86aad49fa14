package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// maxSheet is the size in bytes of the largest CSV file that is taken.
	maxSheet = 64 << 20

	// progressEvery is how often an import says how far it is.
	progressEvery = 200 * time.Millisecond

	// maxFaults is how many faults of a sheet are told, as many as the ledger looks for.
	maxFaults = 100
)

// importJSON is a line of an import's answer. All but the last say how far it is; the last has either imported or error.
type importJSON struct {
	Done     int        `json:"done,omitempty"`  // rows so far …
	Total    int        `json:"total,omitempty"` // … of so many
	Imported *int       `json:"imported,omitempty"`
	Network  string     `json:"network,omitempty"`
	Error    string     `json:"error,omitempty"` // nothing was imported
	Rows     []rowFault `json:"rows,omitempty"`  // why, at most 100 faults
}

// affiliateColumns are those of a sheet of affiliates.
var affiliateColumns = columns[tracker.AffiliateFields]{
	"name":            func(a *tracker.AffiliateFields, cell string) error { a.Name = cell; return nil },
	"id_from_network": func(a *tracker.AffiliateFields, cell string) error { a.IDFromNetwork = cell; return nil },
	"status": func(a *tracker.AffiliateFields, cell string) error {
		a.Status = tracker.AffiliateStatus(cell)
		return nil
	},
	"sites": func(a *tracker.AffiliateFields, cell string) error {
		for _, id := range strings.Fields(cell) {
			a.Sites = append(a.Sites, tracker.Site{IDFromNetwork: id})
		}
		return nil
	},
}

// linkColumns are those of a sheet of links.
var linkColumns = columns[ledger.NewLink]{
	"code":            func(l *ledger.NewLink, cell string) error { l.Code = cell; return nil },
	"affiliate":       func(l *ledger.NewLink, cell string) error { l.Affiliate = cell; return nil },
	"campaign":        func(l *ledger.NewLink, cell string) error { l.Campaign = cell; return nil },
	"destination":     func(l *ledger.NewLink, cell string) error { l.Destination = cell; return nil },
	"subdomain":       func(l *ledger.NewLink, cell string) error { l.Subdomain = strings.ToLower(cell); return nil },
	"deep_link_hosts": func(l *ledger.NewLink, cell string) error { l.DeepLinkHosts = strings.Fields(cell); return nil },
	"window": func(l *ledger.NewLink, cell string) error {
		if cell == "" {
			return nil
		}
		window, err := caddy.ParseDuration(cell)
		if err != nil {
			return errors.New("write a duration such as 30d")
		}
		l.Window = window
		return nil
	},
	"expires_at": func(l *ledger.NewLink, cell string) (err error) {
		if cell == "" {
			return nil
		}
		if l.ExpiresAt, err = parseTime(cell); err != nil {
			return errors.New("write a day such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z")
		}
		return nil
	},
	"contact_name":  func(l *ledger.NewLink, cell string) error { l.ContactName = cell; return nil },
	"contact_email": func(l *ledger.NewLink, cell string) error { l.ContactEmail = cell; return nil },
	"organisation":  func(l *ledger.NewLink, cell string) error { l.Organisation = cell; return nil },
}

// affiliateColumnNames and linkColumnNames are the columns in the order in which people are told of them.
var (
	affiliateColumnNames = []string{"name", "id_from_network", "status", "sites"}
	linkColumnNames      = []string{"code", "affiliate", "campaign", "destination", "subdomain", "deep_link_hosts", "window",
		"expires_at", "contact_name", "contact_email", "organisation"}
)

var (
	importAffiliates = importing(affiliateColumns, (*ledger.Ledger).ImportAffiliates, (*ledger.Ledger).JudgeAffiliates, "name")
	importLinks      = importing(linkColumns, (*ledger.Ledger).ImportLinks, (*ledger.Ledger).JudgeLinks, "code")
)

// importing is a route that takes a sheet of such rows, whole or not at all. Where cells cannot be read the rows are judged all the
// same, so that everything that is wrong is told at once.
func importing[T any](
	known columns[T],
	store func(l *ledger.Ledger, ctx context.Context, network string, rows []T, progress func(done int)) ([]ledger.RowError, error),
	judge func(l *ledger.Ledger, ctx context.Context, network string, rows []T) ([]ledger.RowError, error),
	required ...string,
) func(*liveEngine, http.ResponseWriter, *http.Request) error {
	return func(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
		network, err := networkOf(live, r)
		if err != nil {
			return err
		}
		books, err := live.Ledger()
		if err != nil {
			return err
		}
		takeYourTime(w)
		body := http.MaxBytesReader(w, r.Body, maxSheet)
		read, err := readSheet(body, known, required...)
		if err != nil {
			return sheetRefusal(body, err)
		}
		out := progress{w: w, total: len(read.rows), said: time.Now()}
		var faults []ledger.RowError
		if len(read.faults) > 0 {
			faults, err = judge(books, r.Context(), network, read.rows)
		} else {
			faults, err = store(books, r.Context(), network, read.rows, out.say)
		}
		if err != nil {
			return out.end(err)
		}
		if read.reject(faults); len(read.faults) > 0 {
			return out.refuse(read.faults)
		}
		if err := live.RefreshLinks(r.Context()); err != nil {
			caddy.Log().Named("affiliate").Sugar().Errorw("imported links are in the ledger, but not live on this node yet", "error", err)
		}
		return writeRow(w, importJSON{Imported: &out.total, Network: network})
	}
}

// takeYourTime lifts the admin endpoint's limit of ten seconds on the sending of a request. Where that cannot be, it stays.
func takeYourTime(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

var errLargeSheet = fmt.Errorf("the CSV is larger than %d MiB; send it in parts", maxSheet>>20)

// sheetRefusal reads what is left of the body first: a client that is still sending would not see the answer.
func sheetRefusal(body io.Reader, err error) error {
	_, rest := io.Copy(io.Discard, body)
	var large *http.MaxBytesError
	if errors.As(errors.Join(err, rest), &large) {
		return caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: errLargeSheet}
	}
	return badRequest("%w", err)
}

// reject adds what the ledger says of rows, which are counted from 1, without the line of names. Of a cell that could not be read
// the ledger knows nothing.
func (s *sheet[T]) reject(faults []ledger.RowError) {
	unread := slices.Clone(s.faults)
	for _, fault := range faults {
		line := s.lines[fault.Row-1]
		var invalid tracker.Invalid
		if !errors.As(fault.Err, &invalid) {
			s.fault(line, "", fault.Err.Error())
		}
		for _, e := range invalid {
			field := strings.TrimSuffix(e.Field, "_seconds") // the column is window
			if !slices.ContainsFunc(unread, func(f rowFault) bool { return f.Line == line && f.Field == field }) {
				s.fault(line, field, e.Message)
			}
		}
	}
	slices.SortStableFunc(s.faults, func(a, b rowFault) int { return cmp.Compare(a.Line, b.Line) })
}

// progress writes the lines of an import's answer.
type progress struct {
	w     http.ResponseWriter
	total int
	said  time.Time
}

// say tells how far the import is, now and then.
func (p *progress) say(done int) {
	if now := time.Now(); now.Sub(p.said) >= progressEvery {
		p.said = now
		if writeRow(p.w, importJSON{Done: done, Total: p.total}) == nil {
			_ = http.NewResponseController(p.w).Flush() // a client that is gone ends the import by its context
		}
	}
}

// end says why an import failed as a whole. The status may be sent already, so it is the last line that counts.
func (p *progress) end(err error) error {
	return writeRow(p.w, importJSON{Error: "nothing was imported: " + err.Error()})
}

func (p *progress) refuse(faults []rowFault) error {
	text := "nothing was imported; this is wrong"
	if len(faults) == maxFaults {
		text = fmt.Sprintf("nothing was imported; of what is wrong this is the first %d", maxFaults)
	}
	return writeRow(p.w, importJSON{Error: text, Rows: faults})
}
