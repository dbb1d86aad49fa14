package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// client asks the admin endpoint of a running Caddy.
type client struct {
	address, network string
	json             bool
	in               io.Reader
	out              io.Writer
	err              io.Writer // for what is not the answer: progress, questions, notes
}

func run(do func(client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		text := func(name string) string { return cmd.Flag(name).Value.String() }
		address, err := caddycmd.DetermineAdminAPIAddress(text("address"), nil, text("config"), text("adapter"))
		if err != nil {
			return fmt.Errorf("finding the admin endpoint: %w", err)
		}
		return do(client{
			address: address, network: text("network"), json: text("json") == "true",
			in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(),
		}, args)
	}
}

// print makes the request and prints the answer: as it came with --json, or as a table. A table function reads all of the
// body, and is used for its judgement alone with --json.
func (c client) print(method, path string, query url.Values, body any, table func(io.Writer, io.Reader) error) error {
	answer, err := c.ask(method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if c.json {
		return table(io.Discard, io.TeeReader(answer.Body, c.out))
	}
	return table(c.out, answer.Body)
}

// ask returns an answer that is no error; whoever asks closes its body. A body that is a reader is sent as it is.
func (c client) ask(method, path string, query url.Values, body any) (*http.Response, error) {
	if c.network != "" {
		query = with(query, "network", c.network)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	content, _ := body.(io.Reader)
	if content == nil && body != nil {
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
	return answer, nil
}

// with returns a query that says one thing more.
func with(query url.Values, name, value string) url.Values {
	more := url.Values{}
	maps.Copy(more, query)
	more.Set(name, value)
	return more
}

// explain turns what Caddy's client says of an answer into what a person wants to know. Its errors have no type: the status
// and the body are part of the text.
func (c client) explain(err error) error {
	_, answer, answered := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !answered {
		return fmt.Errorf("no Caddy answers at %s (is it running, and without `admin off`? --address names another admin endpoint): %w", c.address, err)
	}
	status, body, _ := strings.Cut(answer, ": ")
	var problem api.Problem
	if json.Unmarshal([]byte(body), &problem) == nil && problem.Title != "" {
		return problemText(problem)
	}
	var refused struct {
		Error  string `json:"error"`  // of the admin endpoint
		Status string `json:"status"` // of a health that is an error
	}
	if json.Unmarshal([]byte(body), &refused) == nil && refused.Error != "" {
		return errors.New(printable(refused.Error))
	}
	if refused.Status != "" {
		return sickError{printable(refused.Status), body}
	}
	if status == "404" {
		return fmt.Errorf("the Caddy at %s does not have the affiliate plugin", c.address)
	}
	return fmt.Errorf("the Caddy at %s answers with status %s", c.address, printable(status))
}

// sickError is a health that is an error, with all that it says.
type sickError struct{ status, body string }

func (e sickError) Error() string {
	return "the affiliate engine is " + e.status + ": its journal is not open yet"
}

// problemText says in one line what the API's problem is, and in one line more for each value that is wrong.
func problemText(p api.Problem) error {
	if len(p.Errors) == 0 {
		return fmt.Errorf("%s: %s", printable(p.Title), printable(p.Detail))
	}
	lines := []string{printable(p.Title) + ":"}
	for _, e := range p.Errors {
		lines = append(lines, "  "+strings.TrimSpace(printable(e.Path)+" "+printable(e.Message)))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// show makes a request of the API and prints the object that it answers with: as JSON, or as say does. The answer to a repeat of
// what counts once is told from the first.
func show[T any](c client, method, path string, body any, say func(io.Writer, T) error) error {
	answer, err := c.ask(method, api.Prefix+path, nil, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	var object T
	if len(text) > 0 {
		if err := json.Unmarshal(text, &object); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
	}
	if !c.json {
		if answer.Header.Get("Idempotent-Replayed") == "true" { // the object is as it was at first
			fmt.Fprint(c.out, "known already, counts once; at first: ")
		}
		return say(c.out, object)
	}
	if len(text) == 0 { // of what is deleted
		return nil
	}
	_, err = fmt.Fprintln(c.out, string(api.EscapeControls(bytes.TrimSpace(text))))
	return err
}

// unpaged is the limit of a list that comes whole.
const unpaged = -1

// list prints a list of the API, page by page and at most limit of it (0: all).
func list[T any](c client, path string, query url.Values, limit int, t *table, row func(T) []any) error {
	return printEach(c, t, row, func(yield func(json.RawMessage) error) (bool, error) { return c.each(path, query, limit, yield) })
}

// printEach prints what each yields, as a JSON array or as a table, and notes on standard error that there are more where it
// says so.
func printEach[T any](c client, t *table, row func(T) []any, each func(yield func(json.RawMessage) error) (more bool, err error)) error {
	rows := 0
	more, err := each(func(text json.RawMessage) error {
		if rows++; c.json {
			between := ","
			if rows == 1 {
				between = "["
			}
			_, err := fmt.Fprintf(c.out, "%s%s\n", between, api.EscapeControls(text))
			return err
		}
		var object T
		if err := json.Unmarshal(text, &object); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		return t.row(row(object)...)
	})
	switch {
	case err != nil:
	case !c.json:
		err = t.Flush()
	case rows == 0:
		_, err = fmt.Fprintln(c.out, "[]")
	default:
		_, err = fmt.Fprintln(c.out, "]")
	}
	if err == nil && more {
		fmt.Fprintf(c.err, "there are more than these %d: --limit 0 shows all\n", rows)
	}
	return err
}

// each calls yield with each object of a list of the API, at most limit of them (0: all), page by page. More says that the list
// has others.
func (c client) each(path string, query url.Values, limit int, yield func(json.RawMessage) error) (more bool, err error) {
	for left := limit; limit <= 0 || left > 0; {
		size := tracker.MaxPage
		if limit > 0 {
			size = min(size, left)
		}
		if limit != unpaged {
			query = with(query, "limit", strconv.Itoa(size))
		}
		answer, err := c.ask(http.MethodGet, api.Prefix+path, query, nil)
		if err != nil {
			return false, err
		}
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next string            `json:"next"`
		}
		err = decode(answer.Body, &page)
		answer.Body.Close()
		if err != nil {
			return false, err
		}
		for _, object := range page.Data {
			if err := yield(object); err != nil {
				return false, err
			}
		}
		if page.Next == "" || len(page.Data) == 0 {
			return false, nil
		}
		left -= len(page.Data)
		query = with(query, "after", page.Next)
	}
	return true, nil
}

// table is where the rows of a list go: nowhere with --json.
func (c client) table() io.Writer {
	if c.json {
		return io.Discard
	}
	return c.out
}

// saying prints one line: what was done, and to what.
func saying[T any](done string, what func(T) string) func(io.Writer, T) error {
	return func(w io.Writer, object T) error {
		_, err := fmt.Fprintln(w, done, what(object))
		return err
	}
}

var errNothingToSet = errors.New("nothing to set: give at least one flag that says what to change (--help lists them)")

// deleteCommand deletes an object of the API's list of that name.
func deleteCommand(what, list, short string) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: short, Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodDelete, list+"/"+url.PathEscape(args[0]), nil, func(w io.Writer, _ struct{}) error {
				_, err := fmt.Fprintf(w, "deleted %s %s\n", what, printable(args[0]))
				return err
			})
		}),
	}
}

// one is the check of a command that takes one argument of that name and nothing else.
func one(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("give one %s: %s", name, cmd.UseLine())
		}
		return nil
	}
}

// none is the check of a command that takes flags and no argument.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, only flags (--help lists them)", cmd.CommandPath())
	}
	return nil
}
