package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/engine"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "affiliate",
		Usage: "<command>",
		Short: "Works with the affiliates, links, conversions and books of a running Caddy",
		Long: `
Works with the affiliates, campaigns, links, sessions, conversions, customers,
keys and books of a running Caddy, through its admin endpoint.

Where the endpoint is comes from --address, or from the configuration that
--config names, or is Caddy's default, localhost:2019.

--json prints the same as JSON. The exit status is 1 on any error, and when an
audit does not balance.

Example:

	caddy affiliate link add summer --affiliate "Sara's Blog" --to https://example.com/sale
	caddy affiliate session list --limit 50
	caddy affiliate key create --scope conversions:write --scope conversions:read
	caddy affiliate conversion list --status pending
	caddy affiliate audit --json`,
		CobraFunc: affiliateCommand,
	})
}

// affiliateCommand puts the subcommands under cmd.
func affiliateCommand(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("address", "", "Address of the running Caddy's admin endpoint")
	flags.StringP("config", "c", "", "Configuration file that names the admin endpoint")
	flags.StringP("adapter", "a", "", "Name of the adapter for that file")
	flags.String("network", "", "`NETWORK` to work in (default: the configured one; link list and session list show all)")
	flags.Bool("json", false, "Print JSON")

	session := group("session", "Lists recorded sessions")
	session.AddCommand(sessionListCommand())
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SetFlagErrorFunc(flagFault)
	cmd.AddCommand(affiliateGroup(), campaignGroup(), linkGroup(), session, conversionGroup(), customerGroup(),
		deliveryGroup(), destinationGroup(), keyGroup(), importGroup(), eraseCommand(), auditCommand(), healthCommand())
}

// group is a command that only holds others; an unknown one among them is an error.
func group(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

func sessionListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists recorded sessions, newest first", Args: none}
	limit := limitFlag(cmd)
	cmd.RunE = run(func(c client, _ []string) error {
		t := newTable(c.table(), "TIME", "CODE", "AFFILIATE", "CLASS", "IP", "BROWSER", "OS", "DEVICE", "ROUTE", "SESSION")
		row := func(s api.Session) []any {
			return []any{timeText(s.Time), s.Code, s.Affiliate, s.Class, s.IP, s.Browser, s.OS, s.Device, s.Route, s.ID}
		}
		return printEach(c, t, row, func(yield func(json.RawMessage) error) (bool, error) { return c.sessions(*limit, yield) })
	})
	return cmd
}

// sessions calls yield with each recorded session, newest first, at most limit of them (0: all). More says that there are others:
// the answer is a plain array, so one session more is asked for.
func (c client) sessions(limit int, yield func(json.RawMessage) error) (more bool, err error) {
	asked := limit
	if limit > 0 && limit < math.MaxInt {
		asked++
	}
	answer, err := c.ask(http.MethodGet, "/affiliate/sessions", url.Values{"limit": {strconv.Itoa(asked)}}, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	rows := 0
	err = decodeEach(answer.Body, func(text json.RawMessage) error {
		if rows++; limit > 0 && rows > limit {
			more = true
			return nil
		}
		return yield(text)
	})
	return more, err
}

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Balances the books: issued = applied + quarantined + lost + journalled", Args: none,
	}
	recount := cmd.Flags().Bool("recount", false, "Also compare the sums of the reports with all conversions, which takes seconds for a million")
	cmd.RunE = run(func(c client, _ []string) error {
		if c.network != "" {
			return errWholeNode
		}
		query := url.Values{}
		if *recount {
			query.Set("recount", "1")
		}
		var audit engine.Audit
		err := c.print(http.MethodGet, "/affiliate/audit", query, nil, func(w io.Writer, body io.Reader) error {
			return auditTable(w, body, &audit)
		})
		if err == nil && !audit.Balanced {
			return errors.New("the books do not balance")
		}
		if err == nil && audit.Trouble != "" {
			return errors.New("records do not reach the ledger")
		}
		return err
	})
	return cmd
}

var errWholeNode = errors.New("audit and health are of all networks; leave --network out")

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Tells how the journal, the relay and the ledger are", Args: none,
		RunE: run(func(c client, _ []string) error {
			if c.network != "" {
				return errWholeNode
			}
			err := c.print(http.MethodGet, "/affiliate/health", nil, nil, healthTable)
			var sick sickError
			if errors.As(err, &sick) {
				return c.showSick(sick)
			}
			return err
		}),
	}
}

// showSick shows a health that is an error, which it returns.
func (c client) showSick(sick sickError) (err error) {
	if c.json {
		_, err = fmt.Fprintln(c.out, string(api.EscapeControls([]byte(strings.TrimSpace(sick.body)))))
	} else {
		err = healthTable(c.out, strings.NewReader(sick.body))
	}
	if err != nil {
		return err
	}
	return sick
}
