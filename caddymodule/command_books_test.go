package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// must runs a command that must succeed and returns what it prints.
func (s *server) must(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return out
}

// object runs a command with --json and decodes what it prints.
func object[T any](s *server, args ...string) T {
	s.t.Helper()
	var v T
	if out := s.must(append(args, "--json")...); json.Unmarshal([]byte(out), &v) != nil {
		s.t.Fatalf("%v prints no such JSON: %s", args, out)
	}
	return v
}

// TestCommandsKeepTheBooks earns a commission and takes some of it back, by the command line alone.
func TestCommandsKeepTheBooks(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("", ""))
	if out := s.must("affiliate", "add", "Sara's Blog", "--id", "A-1"); out != "added affiliate Sara's Blog (id 1, approved) in network default\n" {
		t.Errorf("adding an affiliate prints %q", out)
	}
	campaign := object[tracker.Campaign](s, "campaign", "add", "summer", "--commission", "default=12.5%", "--commission", "bonus=5.00EUR",
		"--window", "7d", "--landing", "/sale", "--duplicates", "ignore", "--coupon", "SARA10=1")
	if campaign.Window != 7*24*3600 || campaign.LandingPage != "/sale" || len(campaign.Commissions) != 2 ||
		campaign.Commissions[1].Fixed.Amount != 500 || campaign.Coupons[0].AffiliateID != 1 || campaign.Duplicates != "ignore" {
		t.Errorf("the campaign is %+v", campaign)
	}
	if out := s.must("link", "add", "sara", "--affiliate", "Sara's Blog", "--campaign", "summer", "--contact-name", "Sara", "--expires", "2999-01-31"); out !=
		"added link sara of Sara's Blog in network default\n" {
		t.Errorf("adding a link prints %q", out)
	}
	link := object[tracker.CatalogLink](s, "link", "show", "SARA")
	if link.AffiliateID != 1 || link.CampaignID != campaign.ID || link.ContactName != "Sara" || link.ExpiresAt.Year() != 2999 || !link.Live {
		t.Errorf("the link is %+v", link)
	}

	token := s.visit("/?via=sara")
	if token == "" {
		t.Fatal("a click got no token")
	}
	session := s.sessions(1)[0]
	out := s.must("conversion", "add", "--external-id", "12345", "--amount", "99.90", "--currency", "eur", "--token", token)
	if !strings.HasPrefix(out, "reported buy 12345 of 99.90 EUR (id ") || !strings.HasSuffix(out, ", pending: Sara's Blog earns 12.49 EUR\n") {
		t.Errorf("reporting a conversion prints %q", out)
	}
	if again := s.must("conversion", "add", "--external-id", "12345", "--amount", "99.90", "--currency", "EUR", "--token", token); again != "known already, counts once; at first: "+out {
		t.Errorf("reporting it again prints %q", again)
	}
	conversions := object[[]tracker.Conversion](s, "conversion", "list", "--status", "pending")
	if len(conversions) != 1 || conversions[0].SessionID != session.ID {
		t.Fatalf("the conversions are %+v", conversions)
	}
	id := conversions[0].ID
	s.must("conversion", "add", "--external-id", "other", "--amount", "1", "--currency", "EUR")
	if found := object[[]tracker.Conversion](s, "conversion", "list", "--external-id", "12345", "--source", "api"); len(found) != 1 || found[0].ID != id {
		t.Errorf("those of that external id are %+v", found)
	}
	if found := object[[]tracker.Conversion](s, "conversion", "list", "--source", "header"); len(found) != 0 {
		t.Errorf("those of another source are %+v", found)
	}
	_, notes, err := runCommandWith("", "conversion", "list", "--limit", "1", "--address", fmt.Sprintf("127.0.0.1:%d", s.admin))
	if err != nil || notes != "there are more than these 1: --limit 0 shows all\n" {
		t.Errorf("one of two is listed with the note %q, %v", notes, err)
	}
	if out := s.must("conversion", "approve", id, "--note", "checked by two people, who found all goods delivered"); !strings.Contains(out, "approved buy 12345") {
		t.Errorf("approving prints %q", out)
	}
	s.must("conversion", "pay", id)
	refund := []string{"conversion", "refund", "--external-id", "12345", "--refund-id", "R-1", "--amount", "9.90", "--currency", "EUR"}
	if out = s.must(refund...); !strings.HasPrefix(out, "refunded 9.90 EUR of buy 12345 (id "+id) {
		t.Errorf("refunding prints %q", out)
	}
	if again := s.must(refund...); again != "known already, counts once; at first: "+out {
		t.Errorf("refunding it again prints %q", again)
	}
	if again := object[tracker.Refund](s, refund...); again.Taken != 990 || again.ConversionID != id {
		t.Errorf("refunding it again prints the JSON %+v", again)
	}
	out = s.must("conversion", "refund", "--source", "header", "--external-id", "12345", "--refund-id", "R-1", "--amount", "1", "--currency", "EUR")
	if !strings.HasPrefix(out, "refunded nothing yet: 1.00 EUR wait for buy 12345 of the source header (refund id ") { // that one came by the API
		t.Errorf("refunding a conversion of another source prints %q", out)
	}
	waiting := object[[]tracker.Refund](s, "conversion", "refunds", "--waiting")
	if len(waiting) != 1 || waiting[0].Source != "header" || waiting[0].Waiting != 100 {
		t.Fatalf("what waits is %+v", waiting)
	}
	if out := s.must("conversion", "refunds"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "9.90 EUR") {
		t.Errorf("the refunds are\n%s", out)
	}
	if out := s.must("conversion", "withdraw-refund", waiting[0].ID); out != "withdrew refund "+waiting[0].ID+"\n" {
		t.Errorf("withdrawing prints %q", out)
	}
	if rest := object[[]tracker.Refund](s, "conversion", "refunds", "--waiting=false"); len(rest) != 1 || rest[0].Taken != 990 {
		t.Errorf("what waits no more is %+v", rest)
	}
	shown := s.must("conversion", "show", id)
	for _, want := range []string{"paid", "90.00 EUR", "11.25 EUR", "Sara's Blog", session.ID, "checked by two people, who found all goods delivered", "won", "Decision by last_click: ", "-9.90 EUR", "R-1"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the conversion lacks %q:\n%s", want, shown)
		}
	}
	s.must("conversion", "reverse", id)
	if all := object[[]tracker.Conversion](s, "conversion", "list", "--reversed=false"); len(all) != 1 || all[0].ExternalID != "other" {
		t.Errorf("those that are not reversed are %+v", all)
	}
	if out := s.must("conversion", "list", "--limit", "1", "--reversed", "--closed"); !strings.Contains(out, "0.00 EUR") || !strings.Contains(out, "paid, reversed") || strings.Count(out, "\n") != 2 {
		t.Errorf("the list is\n%s", out)
	}

	if out := s.must("affiliate", "set", "1", "--status", "suspended"); out != "changed affiliate Sara's Blog (id 1, suspended) in network default\n" {
		t.Errorf("suspending prints %q", out)
	}
	if s.visit("/?via=sara") != "" {
		t.Error("a click on a suspended affiliate's link got a token")
	}
	if _, err := s.command("affiliate", "delete", "1"); err == nil || !strings.Contains(err.Error(), "In use") {
		t.Errorf("deleting an affiliate with links: %v", err)
	}
	over := fmt.Sprint(object[tracker.Campaign](s, "campaign", "add", "over").ID)
	if out := s.must("campaign", "delete", over); out != "deleted campaign "+over+"\n" {
		t.Errorf("deleting prints %q", out)
	}
}

func TestCommandLists(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("", ""))
	if out := s.must("affiliate", "list", "--json"); out != "[]\n" {
		t.Errorf("no affiliates are %q", out)
	}
	var rows strings.Builder
	rows.WriteString("name\n")
	for i := range tracker.MaxPage + 20 { // more than a page
		fmt.Fprintf(&rows, "affiliate %03d\n", i)
	}
	s.importRows("affiliates", rows.String())
	if got := object[[]tracker.Affiliate](s, "affiliate", "list"); len(got) != tracker.MaxPage+20 || got[519].Name != "affiliate 519" {
		t.Errorf("%d affiliates are listed", len(got))
	}
	out := s.must("affiliate", "list")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != tracker.MaxPage+21 ||
		strings.Join(strings.Fields(lines[0]), " ") != "ID NAME STATUS ID-FROM-NETWORK SITES USERS" || !contains(lines, "7 affiliate 006 approved - 0 0") {
		t.Errorf("the list begins\n%.400s", out)
	}
	if got := object[[]tracker.Affiliate](s, "affiliate", "list", "--network", "other"); len(got) != 0 {
		t.Errorf("another network has %d affiliates", len(got))
	}
	s.must("affiliate", "add", "Elsewhere", "--network", "other")
	if _, err := s.command("affiliate", "show", "1", "--network", "other"); err == nil || !strings.HasPrefix(err.Error(), "Not found: ") {
		t.Errorf("another network's affiliate: %v", err)
	}
}

func TestCommandCustomers(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	token := s.visit("/?via=demo")
	s.sessions(1)
	if out := s.must("customer", "add", "C-1", "--token", token, "--country-code", "IT"); !regexp.MustCompile(
		`^added customer C-1 \(id [0-9a-f-]{36}\) in network default: Demo Partner brought them\n$`).MatchString(out) {
		t.Errorf("adding prints %q", out)
	}
	customers := object[[]tracker.Customer](s, "customer", "list")
	if len(customers) != 1 || customers[0].ExternalID != "C-1" {
		t.Fatalf("the customers are %+v", customers)
	}
	if out := s.must("customer", "show", customers[0].ID); !strings.Contains(out, "Demo Partner") || !strings.Contains(out, "Decision by ") {
		t.Errorf("the customer is\n%s", out)
	}
	if out := s.must("conversion", "add", "--external-id", "1", "--amount", "10", "--currency", "EUR", "--customer", "C-1"); !strings.Contains(out, "Demo Partner earns") {
		t.Errorf("reporting a customer's conversion prints %q", out)
	}

	// Erasing asks first, and takes no for an answer.
	address := []string{"--address", fmt.Sprintf("127.0.0.1:%d", s.admin)}
	for _, answer := range []string{"", "n\n", "no, yes\n"} {
		if out, notes, err := runCommandWith(answer, append([]string{"erase", "--token", token}, address...)...); err == nil || out != "" ||
			!strings.Contains(notes, "This cannot be undone. Erase? [y/N] ") {
			t.Errorf("answering %q prints %q and %q: %v", answer, out, notes, err)
		}
	}
	for args, want := range map[string]string{
		"--visitor x":                          `--visitor takes 32 hexadecimal digits that are not all 0, not "x"`,
		"--visitor " + strings.Repeat("0", 32): `--visitor takes 32 hexadecimal digits that are not all 0, not "` + strings.Repeat("0", 32) + `"`,
		"--customer C-1":                       `--customer takes a UUID, not "C-1"`,
		"--token x --brand shop":               "--brand goes with --customer-external-id",
	} {
		_, notes, err := runCommandWith("y\n", append(strings.Fields("erase "+args), address...)...)
		if err == nil || err.Error() != want || notes != "" {
			t.Errorf("erase %s asks %q and fails with %v, want %q", args, notes, err, want)
		}
	}
	if s.sessions(1)[0].IP == "" {
		t.Error("the session lost its address without a yes")
	}
	out, _, err := runCommandWith("y\n", append([]string{"erase", "--token", token}, address...)...)
	if err != nil || !strings.HasPrefix(out, "erased the person from 1 session, ") {
		t.Errorf("erasing prints %q: %v", out, err)
	}
	if got := s.sessions(1)[0]; got.IP != "" || got.UserAgent != "" || got.VisitorID != "" {
		t.Errorf("the session still has %+v", got)
	}
}

// importRows imports a sheet that must be taken.
func (s *server) importRows(what, text string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.must("import", what, file)
}

func TestCommandImports(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("", ""))
	if out := s.importRows("affiliates", "name,status,sites\nSara,approved,blog shop\nTom,applied,\n"); out != "imported 2 affiliates into network default\n" {
		t.Errorf("importing affiliates prints %q", out)
	}
	if out := s.importRows("links", "code,affiliate,campaign,window,expires_at\nsara,Sara,summer,7d,2999-01-31\nnew,Nora,,,\n"); out !=
		"imported 2 links into network default\n" {
		t.Errorf("importing links prints %q", out)
	}
	if s.visit("/?via=sara") == "" || s.visit("/?via=new") == "" {
		t.Error("a click on an imported link got no token")
	}
	if sara := object[tracker.CatalogLink](s, "link", "show", "sara"); sara.Campaign != "summer" || sara.Window != 7*24*3600 || sara.ExpiresAt == nil {
		t.Errorf("the imported link is %+v", sara)
	}

	file := filepath.Join(t.TempDir(), "wrong.csv")
	for name, c := range map[string]struct{ what, text, want string }{
		"a row that breaks rules": {"affiliates", "name,status\nOne,approved\nTwo,planted\n,approved\n",
			"nothing was imported; this is wrong\n  line 3: status: is not one of applied, approved, declined, suspended, archived\n  line 4: name: is required"},
		"a row that is there already": {"links", "code\nok\nSARA\n", "nothing was imported; this is wrong\n  line 3: "},
		"a row that cannot be read":   {"links", "code,window\nok,planted\n", "nothing was imported; this is wrong\n  line 2: window: write a duration"},
		"a window that is too long":   {"links", "code,window\nok,500d\n", "nothing was imported; this is wrong\n  line 2: window: is not from 0 to 34560000"},
		"all that is wrong at once": {"links", "code,affiliate,destination,window\nsara,Sara,,\nimp2,,,\nimp3,Nora,javascript:x,planted\nshort,row\nimp2,Tom,,\n",
			"nothing was imported; this is wrong\n  line 2: code exists already\n  line 4: window: write a duration such as 30d\n  line 4: destination: a destination is an " +
				"http or https URL with a host, or a path that starts with one /\n  line 5: it has 2 cells, and the first line has 4\n  line 6: code exists already"},
		"an unknown column":        {"links", "code,planted\n", "reading the CSV: line 1: column 2 is none of: "},
		"no column that is needed": {"links", "affiliate\nSara\n", "reading the CSV: line 1: the column code is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := s.command("import", c.what, file)
			if err == nil || out != "" || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
				t.Errorf("importing prints %q and fails with %v; want %q", out, err, c.want)
			}
		})
	}
	if got := object[[]tracker.Affiliate](s, "affiliate", "list"); len(got) != 3 {
		t.Errorf("the affiliates are %+v", got)
	}
	if links := decoded[[]linkJSON](s, "/affiliate/links"); len(links) != 2 {
		t.Errorf("the links are %+v", links)
	}
	if _, err := s.command("import", "links", filepath.Join(t.TempDir(), "none.csv")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("importing no file: %v", err)
	}
}

func TestImportShowsHowFarItIs(t *testing.T) {
	answer := httptest.NewRecorder()
	long := progress{w: answer, total: 300, said: time.Now().Add(-time.Minute)}
	long.say(100)
	long.say(200) // at once after the last
	if got := answer.Body.String(); got != `{"done":100,"total":300}`+"\n" || !answer.Flushed {
		t.Errorf("the progress is %q", got)
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("code\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"imported":300,"network":"acme"}`: "",
		`{"error":"the ledger went away"}`:  "the ledger went away",
		``:                                  errBrokeOff.Error(),
		`{"done"`:                           errBrokeOff.Error() + ": unexpected EOF",
	} {
		out, notes, err := runCommandWith("", "import", "links", file, "--address", answering(t, 200, answer.Body.String()+body))
		if fmt.Sprint(err) != cmp.Or(want, "<nil>") || !strings.HasPrefix(notes, "\rimporting: 100 of 300 rows") {
			t.Errorf("after %s it prints %q and %q: %v", body, out, notes, err)
		}
		if want == "" && out != "imported 300 links into network acme\n" {
			t.Errorf("after %s it prints %q", body, out)
		}
	}
}

func TestCommandsThatChange(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	for _, c := range []struct{ args, want string }{
		{"link set demo --contact-name Sara --business", "changed link demo of Demo Partner in network default\n"},
		{"link add more --affiliate Sara --window 7d --expires 2999-01-31 --deep-link-host a.com,b.com --deep-link-host c.com", "added link more of Sara in network default\n"},
		{"link set MORE --window 0s --never-expires --deep-link-host d.com --to /new --subdomain More", "changed link more of Sara in network default\n"},
		{"affiliate set 2 --name Sarah --id A-2", "changed affiliate Sarah (id 2, approved) in network default\n"},
		{"campaign set 1 --commission default=10% --archived", "changed campaign default (id 1) in network default\n"},
	} {
		if out, err := s.command(strings.Fields(c.args)...); err != nil || out != c.want {
			t.Errorf("%s prints %q, %v; want %q", c.args, out, err, c.want)
		}
	}
	demo := object[tracker.CatalogLink](s, "link", "show", "demo")
	if demo.ContactName != "Sara" || !demo.IsBusiness || demo.Destination != "https://example.com/" || demo.Live {
		t.Errorf("the configuration's link is %+v", demo)
	}
	more := object[tracker.CatalogLink](s, "link", "show", "more")
	if more.Window != 0 || more.ExpiresAt != nil || strings.Join(more.DeepLinkHosts, " ") != "d.com" || more.Destination != "/new" ||
		more.Subdomain != "more" || more.Affiliate != "Sarah" || more.Live {
		t.Errorf("the added link is %+v", more)
	}
	for _, c := range []struct{ args, want string }{
		{"affiliate show 2", "id from network  A-2"},
		{"campaign show 1", "commission       default=10%"},
		{"campaign list", "archived"},
		{"link show more", "destination      /new"},
	} {
		if out := s.must(strings.Fields(c.args)...); !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.want), " ")) {
			t.Errorf("%s prints\n%s\nwant %q in it", c.args, out, c.want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"link set demo --to /elsewhere", "Invalid values:\n  destination "},
		{"link set nobody --to /x", `link "nobody": not found`},
		{"link set a/b --to /x", "a code is 1 to 64 of A-Z a-z 0-9 _ -"},
		{"link add other --contact-email nonsense", "contact_email: is not an e-mail address"},
		{"link add other --training planted", "training_status: is not one of not_applicable, in_training, qualified"},
		{"campaign set 1 --name main", "Invalid values:\n  name cannot change: "},
		{"affiliate set 2 --status planted", "Invalid values:\n  status is not one of"},
		{"affiliate set x --status approved", "Invalid values:\n  id "},
		{"campaign add other --coupon a=99", "Invalid values:\n  coupons[0].affiliate_id "},
		{"conversion approve 1", "Not found: "},
	} {
		out, err := s.command(strings.Fields(c.args)...)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || out != "" || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s prints %q and fails with %v; want %q", c.args, out, err, c.want)
		}
	}
}

func TestCommandFlagsAreCheckedHere(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"session list --limit abc", `--limit takes a whole number from 0, not "abc"`},
		{"conversion list --limit -1", `--limit takes a whole number from 0, not "-1"`},
		{"key create --scope * --rate 0", `--rate takes a whole number from 1, not "0"`},
		{"key create", `required flag(s) "scope" not set`},
		{"campaign add x --window soon", `--window takes a duration such as 30d or 12h, not "soon"`},
		{"campaign add x --commission 12%", `--commission takes NAME=12.5% or NAME=5.00EUR, not "12%"`},
		{"campaign add x --commission a=120%", `--commission takes NAME=12.5% or NAME=5.00EUR, not "a=120%"`},
		{"campaign add x --commission a=5.001EUR", `--commission takes NAME=12.5% or NAME=5.00EUR, not "a=5.001EUR"`},
		{"campaign add x --coupon a=Sara", `--coupon takes CODE=AFFILIATE_ID, the id a number, not "a=Sara"`},
		{"link add x --expires tomorrow", `--expires takes a day such as 2026-01-31 (UTC) or a time such as 2026-01-31T12:00:00Z, not "tomorrow"`},
		{"link set x", errNothingToSet.Error()},
		{"affiliate set 1", errNothingToSet.Error()},
		{"affiliate show", "give one ID: caddy affiliate affiliate show ID [flags]"},
		{"conversion add 1001", "caddy affiliate conversion add takes no argument, only flags (--help lists them)"},
		{"import links", "give one FILE.csv: caddy affiliate import links FILE.csv [flags]"},
	} {
		out, err := runCommand(append(strings.Fields(c.args), "--address", "127.0.0.1:1")...)
		if err == nil || err.Error() != c.want || out != "" {
			t.Errorf("%s prints %q and fails with %v; want %q", c.args, out, err, c.want)
		}
	}
	_, err := runCommand("conversion", "add", "--external-id", "1", "--amount", "1.005", "--currency", "EUR", "--address", "127.0.0.1:1")
	if err == nil || !strings.HasPrefix(err.Error(), "--amount: ") {
		t.Errorf("too many decimals: %v", err)
	}
	_, err = runCommand("conversion", "add", "--external-id", "1", "--amount", "1", "--currency", "EURO", "--address", "127.0.0.1:1")
	if err == nil || !strings.HasPrefix(err.Error(), "--currency: ") {
		t.Errorf("no currency: %v", err)
	}
}

func TestProblemsBecomeLines(t *testing.T) {
	address := answering(t, 422, `{"type":"urn:x","title":"Invalid values","status":422,"detail":"d","errors":[`+
		`{"path":"commissions[0].name","message":"is required"},{"path":"window_seconds","message":"is out of range"}]}`)
	_, err := runCommand("campaign", "add", "x", "--address", address)
	if err == nil || err.Error() != "Invalid values:\n  commissions[0].name is required\n  window_seconds is out of range" {
		t.Errorf("the error is %v", err)
	}
	address = answering(t, 409, `{"type":"urn:x","title":"Closed","status":409,"detail":"Only refunds\u001b[2J."}`)
	if _, err = runCommand("conversion", "pay", "x", "--address", address); err == nil || err.Error() != "Closed: Only refunds\uFFFD[2J." {
		t.Errorf("the error is %q", err)
	}
}
