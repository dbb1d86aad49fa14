package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "affiliate",
		Usage: "<command>",
		Short: "Works with the affiliate links, sessions and books of a running Caddy",
		Long: `
Works with the affiliate links, sessions and books of a running Caddy, through
its admin endpoint.

Where the endpoint is comes from --address, or from the configuration that
--config names, or is Caddy's default, localhost:2019.

--json prints the same as JSON. The exit status is 1 on any error, and when an
audit does not balance.

Example:

	caddy affiliate link add summer --affiliate "Sara's Blog" --to https://example.com/sale
	caddy affiliate session list --limit 50
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
	flags.String("network", "", "Network (default: all to list, the configured one to change)")
	flags.Bool("json", false, "Print JSON")

	link := group("link", "Adds, lists, disables and enables links")
	link.AddCommand(linkAddCommand(), linkListCommand(), linkActiveCommand("disable"), linkActiveCommand("enable"))
	session := group("session", "Lists recorded sessions")
	session.AddCommand(sessionListCommand())
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(link, session, auditCommand(), healthCommand())
}

// group is a command that only holds others; an unknown one among them is an error.
func group(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

func linkAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add CODE", Short: "Adds a link, live at once", Args: oneCode}
	affiliate := cmd.Flags().String("affiliate", "", "The affiliate's name (default: the code)")
	to := cmd.Flags().String("to", "", "URL or path that the link's redirect goes to (default: /)")
	subdomain := cmd.Flags().String("subdomain", "", "Host label that is a link by itself")
	cmd.RunE = run(func(c client, args []string) error {
		link := Link{Code: args[0], Affiliate: *affiliate, Destination: *to, Subdomain: *subdomain}
		return c.printLink("added", http.MethodPost, "/affiliate/links", link)
	})
	return cmd
}

func linkListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Lists the links, disabled ones included", Args: cobra.NoArgs,
		RunE: run(func(c client, _ []string) error {
			return c.print(http.MethodGet, "/affiliate/links", nil, linkTable)
		}),
	}
}

// linkActiveCommand is "disable" or "enable", which is also the last part of the route.
func linkActiveCommand(verb string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " CODE", Short: strings.ToUpper(verb[:1]) + verb[1:] + "s a link, at once here and within seconds elsewhere", Args: oneCode,
		RunE: run(func(c client, args []string) error {
			return c.printLink(verb+"d", http.MethodPost, "/affiliate/links/"+url.PathEscape(args[0])+"/"+verb, nil)
		}),
	}
}

func sessionListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists recorded sessions, newest first", Args: cobra.NoArgs}
	limit := cmd.Flags().Int("limit", defaultSessions, "How many; 0 for all")
	cmd.RunE = run(func(c client, _ []string) error {
		return c.print(http.MethodGet, "/affiliate/sessions?limit="+strconv.Itoa(*limit), nil, sessionTable)
	})
	return cmd
}

func auditCommand() *cobra.Command {
	return &cobra.Command{
		Use: "audit", Short: "Balances the books: issued = applied + quarantined + lost + journalled", Args: cobra.NoArgs,
		RunE: run(func(c client, _ []string) error {
			var audit engine.Audit
			err := c.print(http.MethodGet, "/affiliate/audit", nil, func(w io.Writer, body io.Reader) error {
				return auditTable(w, body, &audit)
			})
			if err == nil && !audit.Balanced {
				return errors.New("the books do not balance")
			}
			return err
		}),
	}
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Tells how the journal, the relay and the ledger are", Args: cobra.NoArgs,
		RunE: run(func(c client, _ []string) error {
			return c.print(http.MethodGet, "/affiliate/health", nil, healthTable)
		}),
	}
}

// client asks the admin endpoint of a running Caddy.
type client struct {
	address, network string
	json             bool
	out              io.Writer
}

func run(do func(client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		text := func(name string) string { return cmd.Flag(name).Value.String() }
		address, err := caddycmd.DetermineAdminAPIAddress(text("address"), nil, text("config"), text("adapter"))
		if err != nil {
			return fmt.Errorf("finding the admin endpoint: %w", err)
		}
		c := client{address: address, network: text("network"), json: text("json") == "true", out: cmd.OutOrStdout()}
		return do(c, args)
	}
}

// print makes the request and prints the answer: as it came with --json, or as a table. A table function reads all of the
// body, and is used for its judgement alone with --json.
func (c client) print(method, path string, body any, table func(io.Writer, io.Reader) error) error {
	answer, err := c.ask(method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if c.json {
		return table(io.Discard, io.TeeReader(answer, c.out))
	}
	return table(c.out, answer)
}

// printLink makes a change and says in one line what became of the link.
func (c client) printLink(done, method, path string, body any) error {
	return c.print(method, path, body, func(w io.Writer, answer io.Reader) error {
		var link linkJSON
		if err := decode(answer, &link); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s link %s of %s in network %s\n", done, printable(link.Code), printable(link.Affiliate), printable(link.Network))
		return err
	})
}

// ask returns the body of an answer that is no error.
func (c client) ask(method, path string, body any) (io.ReadCloser, error) {
	if c.network != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "network=" + url.QueryEscape(c.network)
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	answer, err := caddycmd.AdminAPIRequest(c.address, method, path, nil, content)
	if err != nil {
		return nil, c.explain(err)
	}
	return answer.Body, nil
}

// explain turns what Caddy's client says of an answer into one line. Its errors have no type: the status and the body are
// part of the text.
func (c client) explain(err error) error {
	_, answer, answered := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !answered {
		return fmt.Errorf("no Caddy answers at %s (is it running? --address names another admin endpoint): %w", c.address, err)
	}
	status, body, _ := strings.Cut(answer, ": ")
	var refused struct {
		Error  string `json:"error"`
		Status string `json:"status"` // of a health that is an error
	}
	if json.Unmarshal([]byte(body), &refused) == nil && refused.Error != "" {
		return errors.New(printable(refused.Error))
	}
	if refused.Status != "" {
		return fmt.Errorf("the affiliate engine is %s: its journal is not open yet; see the log", printable(refused.Status))
	}
	if status == "404" {
		return fmt.Errorf("the Caddy at %s does not have the affiliate plugin", c.address)
	}
	return fmt.Errorf("the Caddy at %s answers with status %s", c.address, printable(status))
}

// oneCode is the check of a command that takes a link's code and nothing else.
func oneCode(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one CODE: %s", cmd.UseLine())
	}
	return nil
}
