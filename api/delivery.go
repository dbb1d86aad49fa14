package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) deliveries() {
	register(a, operation{
		id: "list-deliveries", method: http.MethodGet, path: "deliveries", scope: "deliveries:read",
		summary: "List deliveries", about: "The newest first, without their attempts.", answer: List[tracker.Delivery]{}, csv: true,
	}, a.listDeliveries)
	register(a, operation{
		id: "get-delivery", method: http.MethodGet, path: "deliveries/{id}", scope: "deliveries:read",
		summary: "Read a delivery", about: "With its attempts.", answer: tracker.Delivery{},
	}, a.getDelivery)
	register(a, operation{
		id: "retry-deliveries", method: http.MethodPost, path: "deliveries/retry", scope: "deliveries:write", answer: retried{},
		summary: "Send deliveries again", about: "The dead ones that the body selects, or with state sent the sent ones: at once, under the " +
			"same ids, with all their attempts before them. With state due those that wait for their next attempt get it at once. " +
			"Where the destination is not sending, the answer says why.",
	}, a.retryDeliveries)
	register(a, operation{
		id: "list-destinations", method: http.MethodGet, path: "destinations", scope: "deliveries:read",
		summary: "List destinations", about: "Those of this node's configuration, and those that are in none and have deliveries, " +
			"with what is due and dead.",
		answer: List[tracker.DestinationState]{},
	}, a.listDestinations)
	register(a, operation{
		id: "pause-destination", method: http.MethodPost, path: "destinations/{name}/pause", scope: "deliveries:write",
		summary: "Pause a destination", about: "Nothing is sent until it is resumed; what is due waits.",
		answer: tracker.DestinationState{},
	}, a.pauseDestination(true))
	register(a, operation{
		id: "resume-destination", method: http.MethodPost, path: "destinations/{name}/resume", scope: "deliveries:write",
		summary: "Resume a destination", about: "What is due is sent. This also ends that it was disabled for its failures, and " +
			"the pause that its endpoint has asked for.",
		answer: tracker.DestinationState{},
	}, a.pauseDestination(false))
	register(a, operation{
		id: "drop-deliveries", method: http.MethodPost, path: "destinations/{name}/drop", scope: "deliveries:write",
		summary: "Give up a destination's deliveries", about: "All that are due or dead, for good: they are gone, and cannot be sent again.",
		answer: dropped{},
	}, a.dropDeliveries)
	register(a, operation{
		id: "test-destination", method: http.MethodPost, path: "destinations/{name}/test", scope: "deliveries:write",
		summary: "Send a test event", about: "Past all queues; the answer says what came of it. A webhook or a postback is sent an event that is " +
			"marked as a test. A platform, which has no place for the mark, is only asked for something, which shows that it takes the key.",
		answer: tracker.Attempt{},
	}, a.testDestination)
}

type deliveryList struct {
	Paging
	Destination string                `query:"destination"`
	State       tracker.DeliveryState `query:"state" enum:"due,sent,dead,gone"`
	Kind        tracker.EventKind     `query:"kind"`
	Subject     string                `query:"subject" doc:"the id of what the event happened to"`
	MinCreated  time.Time             `query:"min_created_at" doc:"inclusive"`
	MaxCreated  time.Time             `query:"max_created_at" doc:"inclusive"`
}

func (a *API) listDeliveries(ctx context.Context, c *call, in *deliveryList) (answer, error) {
	rows, next, err := c.books.Deliveries(ctx, c.network, tracker.DeliveryFilter{
		Destination: in.Destination, State: in.State, Kind: in.Kind, Subject: in.Subject,
		MinCreated: in.MinCreated, MaxCreated: in.MaxCreated,
	}, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, deliveryColumns), nil
}

var deliveryColumns = []column[tracker.Delivery]{
	{"id", func(d *tracker.Delivery) any { return d.ID }},
	{"destination", func(d *tracker.Delivery) any { return d.Destination }},
	{"kind", func(d *tracker.Delivery) any { return string(d.Kind) }},
	{"subject", func(d *tracker.Delivery) any { return d.Subject }},
	{"n", func(d *tracker.Delivery) any { return int64(d.N) }},
	{"state", func(d *tracker.Delivery) any { return string(d.State) }},
	{"due_at", func(d *tracker.Delivery) any { return d.DueAt }},
	{"attempts", func(d *tracker.Delivery) any { return int64(d.Attempts) }},
	{"created_at", func(d *tracker.Delivery) any { return d.CreatedAt }},
	{"updated_at", func(d *tracker.Delivery) any { return d.UpdatedAt }},
}

func (a *API) getDelivery(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	d, err := c.books.Delivery(ctx, c.network, id)
	return found(d, err)
}

// retry is the body that selects what is sent again.
type retry struct {
	ID          string                `json:"id,omitempty" doc:"one delivery, whatever its state but gone"`
	Destination string                `json:"destination,omitempty"`
	State       tracker.DeliveryState `json:"state,omitempty" enum:"due,dead,sent" doc:"default dead"`
	Kind        tracker.EventKind     `json:"kind,omitempty"`
	Subject     string                `json:"subject,omitempty"`
	MinCreated  time.Time             `json:"min_created_at,omitzero" doc:"inclusive"`
	MaxCreated  time.Time             `json:"max_created_at,omitzero" doc:"inclusive"`
}

// retried says how many there are.
type retried struct {
	Retried int64  `json:"retried"`
	Waiting string `json:"waiting,omitempty" doc:"why the destination that the body names sends nothing for now"`
}

func (a *API) retryDeliveries(ctx context.Context, c *call, in *struct{ body[retry] }) (answer, error) {
	v := in.value
	f := tracker.DeliveryFilter{
		ID: v.ID, Destination: v.Destination, State: v.State, Kind: v.Kind, Subject: v.Subject,
		MinCreated: v.MinCreated, MaxCreated: v.MaxCreated,
	}
	if v.ID != "" {
		if err := oneDelivery(ctx, c, &f); err != nil {
			return nil, err
		}
	}
	waiting, err := a.whyWaiting(ctx, c, f)
	if err != nil {
		return nil, err
	}
	n, err := c.books.RetryDeliveries(ctx, c.network, f)
	return found(retried{n, waiting}, err)
}

// whyWaiting says why the destination that the filter names sends nothing for now. tracker.ErrNotFound: there is none of that name.
func (a *API) whyWaiting(ctx context.Context, c *call, f tracker.DeliveryFilter) (string, error) {
	if f.Destination == "" {
		return "", nil
	}
	read := a.destinationState
	if f.ID != "" { // whose destination the delivery itself names
		read = a.readDestination
	}
	state, err := read(ctx, c, f.Destination)
	return notSending(state), err
}

// notSending says why a destination sends nothing for now; empty where it does.
func notSending(s tracker.DestinationState) string {
	switch {
	case !s.Configured:
		return "it is not configured on this node: nothing sends them until it is"
	case s.DisabledAt != nil:
		return "it is disabled; resume lets it go on"
	case s.Paused:
		return "it is paused; resume lets it go on"
	case s.HeldUntil != nil:
		return "it waits until " + s.HeldUntil.UTC().Format(time.RFC3339) + " (" + s.HeldBecause + "); resume lets it go on"
	case s.LeftAlone:
		return "its endpoint fails, and is left alone for a moment"
	}
	return ""
}

// oneDelivery lets the filter select the delivery of its id, whatever its state, unless it asks for one.
func oneDelivery(ctx context.Context, c *call, f *tracker.DeliveryFilter) error {
	id, err := byID{f.ID}.canonical()
	if err != nil {
		return err
	}
	d, err := c.books.Delivery(ctx, c.network, id)
	if err != nil {
		return err
	}
	f.ID, f.State, f.Destination = id, cmp.Or(f.State, d.State), cmp.Or(f.Destination, d.Destination)
	return nil
}

func (a *API) listDestinations(ctx context.Context, c *call, _ *struct{}) (answer, error) {
	list := List[tracker.DestinationState]{Data: []tracker.DestinationState{}}
	names, err := a.allDestinations(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		state, err := a.readDestination(ctx, c, name)
		if err != nil {
			return nil, err
		}
		if state.Configured || state.Due+state.Dead > 0 {
			list.Data = append(list.Data, state)
		}
	}
	return object(http.StatusOK, list), nil
}

// allDestinations are the names of the network's destinations: those of the configuration, and then those that only the books know.
func (a *API) allDestinations(ctx context.Context, c *call) ([]string, error) {
	names := slices.Clone(a.destinations(c.network))
	known, err := c.books.DestinationNames(ctx, c.network)
	for _, name := range known {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err
}

// destinationState is how a destination is. tracker.ErrNotFound: neither the configuration nor the books know it.
func (a *API) destinationState(ctx context.Context, c *call, name string) (s tracker.DestinationState, err error) {
	names, err := a.allDestinations(ctx, c)
	if err == nil && !slices.Contains(names, name) {
		err = tracker.ErrNotFound
	}
	if err != nil {
		return s, err
	}
	return a.readDestination(ctx, c, name)
}

// readDestination is destinationState of one that is known.
func (a *API) readDestination(ctx context.Context, c *call, name string) (tracker.DestinationState, error) {
	s, err := c.books.DestinationState(ctx, c.network, name)
	s.Configured, s.LeftAlone = slices.Contains(a.destinations(c.network), name), a.leftAlone(c.network, name)
	return s, err
}

// dropped says how many there are.
type dropped struct {
	Dropped int64 `json:"dropped"`
}

func (a *API) dropDeliveries(ctx context.Context, c *call, in *byName) (answer, error) {
	if _, err := a.destinationState(ctx, c, in.Name); err != nil {
		return nil, err
	}
	n, err := c.books.DropDeliveries(ctx, c.network, in.Name)
	return found(dropped{n}, err)
}

type byName struct {
	Name string `path:"name"`
}

// check refuses a destination that this node's configuration has not.
func (in *byName) check(a *API, c *call) error {
	if !slices.Contains(a.destinations(c.network), in.Name) {
		return tracker.ErrNotFound
	}
	return nil
}

func (a *API) pauseDestination(paused bool) handler[byName] {
	return func(ctx context.Context, c *call, in *byName) (answer, error) {
		if _, err := a.destinationState(ctx, c, in.Name); err != nil {
			return nil, err
		}
		if err := c.books.PauseDestination(ctx, c.network, in.Name, paused); err != nil {
			return nil, err
		}
		state, err := a.readDestination(ctx, c, in.Name)
		return found(state, err)
	}
}

func (a *API) testDestination(ctx context.Context, c *call, in *byName) (answer, error) {
	if err := in.check(a, c); err != nil {
		return nil, err
	}
	attempt, err := a.testOne(ctx, c.network, in.Name)
	return found(attempt, err)
}
