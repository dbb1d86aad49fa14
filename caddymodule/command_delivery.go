package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func deliveryGroup() *cobra.Command {
	cmd := group("delivery", "Lists, shows, retries and drops deliveries, and pauses and resumes a destination's")
	cmd.AddCommand(deliveryListCommand(), deliveryShowCommand(), deliveryRetryCommand(), deliveryDropCommand(),
		pauseCommand("pause", "Stops the deliveries to a destination, on all hubs; what is due waits", "paused"),
		pauseCommand("resume", "Lets the deliveries to a destination go on, also after it was disabled or its endpoint asked for a pause", "resumed"))
	return cmd
}

// deliveryFlags are those that select deliveries; the function fills in what was given.
func deliveryFlags(cmd *cobra.Command) func(set func(field, value string)) {
	flags := cmd.Flags()
	destination := flags.String("destination", "", "Only those to this destination, a `NAME`")
	kind := flags.String("kind", "", "Only those of this `KIND` of event, such as conversion.created")
	subject := flags.String("subject", "", "Only those about what has this `ID`")
	since := timeFlag(cmd, "since", "Only those made at that day or `TIME` (UTC) or later")
	until := timeFlag(cmd, "until", "Only those made at that `TIME` (UTC) or earlier")
	return func(set func(field, value string)) {
		for field, value := range map[string]string{"destination": *destination, "kind": *kind, "subject": *subject} {
			if value != "" {
				set(field, value)
			}
		}
		for field, at := range map[string]*time.Time{"min_created_at": since, "max_created_at": until} {
			if !at.IsZero() {
				set(field, at.Format(time.RFC3339Nano))
			}
		}
	}
}

func deliveryListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists deliveries, newest first", Args: none}
	limit := limitFlag(cmd)
	fill := deliveryFlags(cmd)
	state := cmd.Flags().String("state", "", "Only those in this `STATE`: due, sent, dead or gone")
	cmd.RunE = run(func(c client, _ []string) error {
		query := url.Values{}
		fill(query.Set)
		if *state != "" {
			query.Set("state", *state)
		}
		t := newTable(c.table(), "CREATED", "DESTINATION", "KIND", "SUBJECT", "STATE", "ATTEMPTS", "DUE", "ID")
		return list(c, "deliveries", query, *limit, t, func(d tracker.Delivery) []any {
			due := ""
			if d.State == tracker.DeliveryDue {
				due = timeText(d.DueAt)
			}
			return []any{timeText(d.CreatedAt), d.Destination, string(d.Kind), d.Subject, string(d.State), d.Attempts, due, d.ID}
		})
	})
	return cmd
}

func deliveryShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows a delivery and its attempts", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodGet, "deliveries/"+url.PathEscape(args[0]), nil, showDelivery)
		}),
	}
}

func showDelivery(w io.Writer, d tracker.Delivery) error {
	f := newFacts(w)
	f.add("id", d.ID)
	f.add("network", d.Network)
	f.add("destination", d.Destination)
	f.add("event", string(d.Kind))
	f.add("subject", d.Subject)
	f.add("state", string(d.State))
	if d.State == tracker.DeliveryDue {
		f.add("due", timeText(d.DueAt))
	}
	f.add("created", timeText(d.CreatedAt))
	if err := f.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "\nAttempts"); err != nil {
		return err
	}
	return showAttempts(w, d.Log)
}

// showAttempts shows attempts in a table, and of the last one the whole error and answer, which a column would cut.
func showAttempts(w io.Writer, log []tracker.Attempt) error {
	t := newTable(w, "N", "TIME", "TOOK", "STATUS", "ERROR", "ANSWER")
	for _, a := range log {
		if err := t.row(attemptRow(a)...); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil || len(log) == 0 {
		return err
	}
	last := log[len(log)-1]
	for _, part := range []struct{ name, text string }{{"Error", last.Error}, {"Answer", last.Answer}} {
		if len(part.text) > widest {
			if _, err := fmt.Fprintf(w, "\n%s: %s\n", part.name, printable(part.text)); err != nil {
				return err
			}
		}
	}
	return nil
}

func attemptRow(a tracker.Attempt) []any {
	status := ""
	if a.Status != 0 {
		status = fmt.Sprint(a.Status)
	}
	took := (time.Duration(a.DurationUS) * time.Microsecond).Round(100 * time.Microsecond)
	return []any{a.N, timeText(a.Time), took.String(), status, a.Error, a.Answer}
}

func deliveryRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry [ID]", Short: "Sends a delivery again, or all dead ones that the flags select", Args: cobra.MaximumNArgs(1),
		Long: "Sends deliveries again: at once, under their own ids, with all their attempts before them. With an ID that one; otherwise all\n" +
			"dead ones that the flags select, or with --sent those that were sent. With --due those that wait for their next attempt get it now.",
		Example: "  caddy affiliate delivery retry --destination webhook --since 2026-05-01 --until 2026-05-06",
	}
	fill := deliveryFlags(cmd)
	sent := cmd.Flags().Bool("sent", false, "Send again what was sent")
	due := cmd.Flags().Bool("due", false, "Send now what waits for its next attempt")
	all := cmd.Flags().Bool("all", false, "Take all dead ones, where nothing else selects")
	cmd.MarkFlagsMutuallyExclusive("sent", "due")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{}
		fill(func(field, value string) { body[field] = value })
		switch {
		case len(args) == 1:
			body["id"] = args[0]
		case len(body) == 0 && !*all:
			return errors.New("say which: an ID, --destination, --since and the like, or --all")
		}
		switch {
		case *sent:
			body["state"] = tracker.DeliverySent
		case *due:
			body["state"] = tracker.DeliveryDue
		}
		type retried struct {
			Retried int64  `json:"retried"`
			Waiting string `json:"waiting"`
		}
		return show(c, http.MethodPost, "deliveries/retry", body, func(w io.Writer, r retried) error {
			_, err := fmt.Fprintf(w, "%s due again\n", numbered(r.Retried, "delivery is", "deliveries are"))
			if err == nil && r.Waiting != "" {
				_, err = fmt.Fprintf(w, "the destination sends nothing for now: %s\n", printable(r.Waiting))
			}
			return err
		})
	})
	return cmd
}

func deliveryDropCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "drop --destination NAME", Short: "Gives up what a destination has not been sent", Args: none,
		Long: "Gives up all deliveries of a destination that are due or dead, for good: they are gone, and cannot be sent again.\n" +
			"For a destination that was removed from the configuration, or renamed. It asks before it does so, unless --yes is given.",
	}
	destination := cmd.Flags().String("destination", "", "The destination, a `NAME`")
	sure := cmd.Flags().Bool("yes", false, "Do not ask")
	if err := cmd.MarkFlagRequired("destination"); err != nil {
		panic(err) // there is no such flag
	}
	cmd.RunE = run(func(c client, _ []string) error {
		if !*sure {
			if err := c.confirm("This cannot be undone. Give up all that " + printable(*destination) + " has not been sent?"); err != nil {
				return err
			}
		}
		type dropped struct {
			Dropped int64 `json:"dropped"`
		}
		path := "destinations/" + url.PathEscape(*destination) + "/drop"
		return show(c, http.MethodPost, path, nil, func(w io.Writer, r dropped) error {
			_, err := fmt.Fprintf(w, "%s given up\n", numbered(r.Dropped, "delivery is", "deliveries are"))
			return err
		})
	})
	return cmd
}

func pauseCommand(verb, short, done string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " DESTINATION", Short: short, Args: one("DESTINATION"),
		RunE: run(func(c client, args []string) error {
			path := "destinations/" + url.PathEscape(args[0]) + "/" + verb
			return show(c, http.MethodPost, path, nil, saying[tracker.DestinationState](done, func(s tracker.DestinationState) string {
				return fmt.Sprintf("destination %s, %s due", printable(s.Name), numbered(s.Due, "delivery is", "deliveries are"))
			}))
		}),
	}
}

func destinationGroup() *cobra.Command {
	cmd := group("destination", "Lists destinations, and tests one")
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Lists this node's destinations, and those not configured that have deliveries, and how they are", Args: none,
		RunE: run(func(c client, _ []string) error {
			t := newTable(c.table(), "NAME", "STATE", "DUE", "DEAD", "OLDEST-DUE", "LAST-SUCCESS", "FAILING-SINCE", "WHY")
			return list(c, "destinations", nil, unpaged, t, func(s tracker.DestinationState) []any {
				return []any{s.Name, destinationState(s), s.Due, s.Dead, optionalTime(s.OldestDueAt), optionalTime(s.LastSuccessAt),
					optionalTime(s.FailingSince), destinationWhy(s)}
			})
		}),
	}, destinationTestCommand())
	return cmd
}

func destinationState(s tracker.DestinationState) string {
	switch {
	case !s.Configured:
		return "not configured"
	case s.DisabledAt != nil:
		return "disabled"
	case s.Paused:
		return "paused"
	case s.HeldUntil != nil:
		return "waiting until " + timeText(*s.HeldUntil)
	case s.LeftAlone:
		return "waiting"
	case s.FailingSince != nil:
		return "failing"
	}
	return "ok"
}

// destinationWhy says why a destination waits; empty where it does not.
func destinationWhy(s tracker.DestinationState) string {
	switch {
	case s.HeldUntil != nil:
		return s.HeldBecause
	case s.LeftAlone:
		return "its endpoint fails; tried again within 30s"
	case s.Configured && s.FailingSince != nil && s.DisabledAt == nil && !s.Paused:
		return "attempts fail; `delivery show` has the errors"
	}
	return ""
}

func destinationTestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test DESTINATION", Short: "Tries a destination, past all queues, and says what came of it", Args: one("DESTINATION"),
		Long: "Tries a destination, past all queues, and says what came of it. webhook and postback are sent a test event, which says that it\n" +
			"is one. The platforms have no place for such a mark, so of them something is only asked for: kraken for a new token, affili\n" +
			"for a conversion and affelios for a customer that are not there, invoca and geniuslink for their lists. It shows that the\n" +
			"endpoint is reached and takes the key, and books nothing.",
		RunE: run(func(c client, args []string) error {
			var failed string
			path := "destinations/" + url.PathEscape(args[0]) + "/test"
			err := show(c, http.MethodPost, path, nil, func(w io.Writer, a tracker.Attempt) error {
				failed = a.Error
				return showAttempts(w, []tracker.Attempt{a})
			})
			if err == nil && failed != "" {
				return errors.New("the test failed: " + failed)
			}
			if err == nil && !c.json {
				_, err = fmt.Fprintln(c.out, "\nthe test passed")
			}
			return err
		}),
	}
}

// numbered is a number with what it counts.
func numbered(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
