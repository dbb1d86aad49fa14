package caddymodule

import (
	"io"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// defaultSessions is how many sessions are listed where nothing is said.
const defaultSessions = 20

func serveSessions(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r)
	if err != nil {
		return err
	}
	limit := defaultSessions
	if asked := query.Get("limit"); asked != "" {
		if limit, err = strconv.Atoi(asked); err != nil || limit < 0 {
			return badRequest("limit is a number from 0 (all), not %q", asked)
		}
	}
	books, err := live.Ledger()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	rows := 0
	err = books.Sessions(r.Context(), query.Get("network"), limit, func(s ledger.Session) error {
		between := ","
		if rows == 0 {
			between = "["
		}
		rows++
		if _, err := io.WriteString(w, between); err != nil {
			return err
		}
		return writeRow(w, tracker.ShowSession(s))
	})
	switch {
	case err != nil && rows > 0:
		abort(r, err)
	case err != nil:
		return err
	case rows == 0:
		_, err = io.WriteString(w, "[]\n")
	default:
		_, err = io.WriteString(w, "]\n")
	}
	return err
}

// abort breaks the connection off: once the status is sent, that is the one sign left that a list is not whole.
func abort(r *http.Request, err error) {
	if r.Context().Err() == nil {
		caddy.Log().Named("affiliate").Error("listing sessions", zap.Error(err))
	}
	panic(http.ErrAbortHandler)
}
