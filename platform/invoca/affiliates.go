package invoca

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// list answers with all affiliates: the platform knows no pages. They are read and written page by page.
func (s *server) list(c *call) error {
	started := false
	for page := (tracker.Page{Limit: tracker.MaxPage}); ; {
		rows, next, err := c.books.Affiliates(c.r.Context(), c.network, tracker.AffiliateFilter{}, page)
		switch {
		case err != nil && started:
			panic(http.ErrAbortHandler) // half a list is out: breaking it off is the one sign left
		case err != nil:
			return err
		case !started:
			begin(c.w, http.StatusOK)
		}
		for i := range rows {
			separator := ","
			if !started {
				separator, started = "[", true
			}
			c.w.Write(append([]byte(separator), s.text(c, &rows[i])...))
		}
		if page.After = next; next == "" {
			break
		}
	}
	if !started {
		c.w.Write([]byte("["))
	}
	c.w.Write([]byte("]"))
	return nil
}

func (s *server) get(c *call) error {
	affiliate, err := s.find(c)
	if err != nil {
		return err
	}
	s.answer(c, http.StatusOK, &affiliate)
	return nil
}

// find returns the affiliate that the path names.
func (s *server) find(c *call) (tracker.Affiliate, error) {
	if isID(c.id) {
		rows, _, err := c.books.Affiliates(c.r.Context(), c.network, tracker.AffiliateFilter{IDFromNetwork: c.id}, tracker.Page{Limit: 1})
		if err != nil {
			return tracker.Affiliate{}, err
		}
		if len(rows) > 0 {
			return rows[0], nil
		}
	}
	return tracker.Affiliate{}, notFound(c.id)
}

// post creates an affiliate, or changes the one that is there.
func (s *server) post(c *call) error { return s.upsert(c, http.StatusCreated) }

// put does the same with another status.
func (s *server) put(c *call) error { return s.upsert(c, http.StatusOK) }

func (s *server) upsert(c *call, status int) error {
	said, err := readChange(c.body, s.Strict)
	if err != nil {
		return err
	}
	if err := s.identify(c, said.id); err != nil {
		return err
	}
	affiliate, err := s.store(c, said)
	if err != nil {
		return err
	}
	s.LinksChanged(c.r.Context())
	s.answer(c, status, &affiliate)
	return nil
}

// identify settles which affiliate is meant: the path's, the body's, or a new one.
func (s *server) identify(c *call, said *string) error {
	given := ""
	if said != nil {
		given = strings.TrimSpace(*said)
	}
	switch {
	case c.one && given != "" && given != c.id:
		return tracker.Invalid{{Field: "id_from_network", Message: "is not the one of the path"}}
	case c.one:
	case given != "":
		c.id = given
	case s.GenerateIDs:
		c.id = strings.ToLower(rand.Text())
	default:
		return tracker.Invalid{{Field: "id_from_network", Message: "is required"}}
	}
	if !isID(c.id) {
		return tracker.Invalid{{Field: "id_from_network", Message: invalid}}
	}
	return nil
}

// storeAttempts bounds the retries of store.
const storeAttempts = 5

// store changes the affiliate, or creates it. Where another request creates or deletes it at the same time, it looks again.
func (s *server) store(c *call, said *change) (stored tracker.Affiliate, err error) {
	fields := customFields{s.CustomData, s.IgnoreCustomData}
	for range storeAttempts {
		found, err := s.find(c)
		var missing *fault
		switch {
		case err == nil:
			stored, err = c.books.UpdateAffiliate(c.r.Context(), c.network, found.ID, func(f *tracker.AffiliateFields) error {
				return said.apply(f, fields)
			})
			if errors.Is(err, tracker.ErrNotFound) {
				continue
			}
			return stored, err
		case !errors.As(err, &missing):
			return stored, err
		}
		created := tracker.AffiliateFields{IDFromNetwork: c.id}
		if err := said.apply(&created, fields); err != nil {
			return stored, err
		}
		stored, err = c.books.CreateAffiliate(c.r.Context(), c.network, created)
		if !errors.Is(err, tracker.ErrExists) {
			return stored, err
		}
		if _, absent := s.find(c); errors.As(absent, &missing) {
			return stored, err // it is the name, and another affiliate's
		}
	}
	return stored, away(nil, "The affiliate is being changed by others. Try again.")
}

// remove deletes an affiliate. One that is not there is deleted already.
func (s *server) remove(c *call) error {
	affiliate, err := s.find(c)
	var missing *fault
	switch {
	case errors.As(err, &missing):
		write(c.w, http.StatusOK, struct{}{})
		return nil
	case err != nil:
		return err
	}
	if err := c.books.DeleteAffiliate(c.r.Context(), c.network, affiliate.ID); err != nil && !errors.Is(err, tracker.ErrNotFound) {
		return err
	}
	s.LinksChanged(c.r.Context())
	write(c.w, http.StatusOK, struct{}{})
	return nil
}
