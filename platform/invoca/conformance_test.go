package invoca

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestDestinationConformance(t *testing.T) {
	renamed := put()
	renamed.FormerID = "111"
	for name, event := range map[string]tracker.Event{"put": put(), "deleted and put": renamed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			destinationtest.Run(t, destinationtest.Suite{
				New: func(t *testing.T, endpoint string) forward.Destination {
					d, err := NewDestination(DestinationOptions{Endpoint: endpoint, NetworkID: "1234", Token: `t0k/3n+"&`})
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Event:       event,
				BodyDecides: true,
				Secrets:     []string{`t0k/3n+"&`},
				Accept: func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodDelete {
						fmt.Fprint(w, "{}")
						return
					}
					fmt.Fprint(w, `{"id": 19, "id_from_network": "222"}`)
				},
			})
		})
	}
}
