package affili

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// TestDestination runs the suite with each event: a visitor, a sale that is approved already, and a change of one whose id has to be
// found.
func TestDestination(t *testing.T) {
	bought := order("1", func(c *tracker.Conversion) { c.Status = tracker.StatusApproved })
	bought.SessionRef = "visitors/token+<secret>"
	for name, e := range map[string]tracker.Event{
		"visitor": visit(), "sale": bought,
		"change": changed(bought, tracker.ChangeStatus, func(c *tracker.Conversion) { c.Status = tracker.StatusRejected }),
	} {
		t.Run(name, func(t *testing.T) {
			destinationtest.Run(t, destinationtest.Suite{
				New:   func(t *testing.T, endpoint string) forward.Destination { return destination(t, endpoint) },
				Event: e,
				Accept: func(w http.ResponseWriter, r *http.Request) {
					switch {
					case strings.HasSuffix(r.URL.Path, "set-cookie"):
						io.WriteString(w, `{"status":"ok","data":{"token":"visitors-token"}}`)
					case r.Method == http.MethodGet:
						io.WriteString(w, `{"status":"ok","data":[{"id":"eroxr","status":0,"external_id":"1"}]}`)
					default:
						io.WriteString(w, `{"status":"ok","data":{"id":"eroxr","status":0}}`)
					}
				},
				BodyDecides: true,
				Secrets:     []string{accessID, bought.SessionRef},
			})
		})
	}
}
