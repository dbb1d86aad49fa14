package postback

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
)

func TestConformance(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			destinationtest.Run(t, destinationtest.Suite{
				New: func(t *testing.T, endpoint string) forward.Destination {
					p, err := New(Options{
						URL:    endpoint + "/in/sEgMent-t0k3n-of-the-path/{status}?key=t0k/3n+&id={event_id}&a={amount}&s={sig}",
						Method: method, Secret: "s3cret-of-the-signature",
					})
					if err != nil {
						t.Fatal(err)
					}
					return p
				},
				Event:   sale(),
				Secrets: []string{"sEgMent-t0k3n-of-the-path", "t0k/3n", "s3cret-of-the-signature"},
				ID: func(r *http.Request, body string) string {
					if form, err := url.ParseQuery(body); err == nil && r.Method == http.MethodPost {
						return form.Get("id")
					}
					return r.URL.Query().Get("id")
				},
			})
		})
	}
}
