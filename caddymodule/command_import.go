package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func importGroup() *cobra.Command {
	cmd := group("import", "Imports affiliates or links from a CSV file, all of them or none")
	cmd.AddCommand(
		importCommand("affiliates", affiliateColumnNames, "name"),
		importCommand("links", linkColumnNames, "code"),
	)
	return cmd
}

func importCommand(what string, columns []string, required string) *cobra.Command {
	return &cobra.Command{
		Use: what + " FILE.csv", Short: "Imports " + what + ", all of them or none", Args: one("FILE.csv"),
		Long: "Imports " + what + " from a CSV file in UTF-8, all of them or none. Its first line names its columns, which are of these: " +
			strings.Join(columns, ", ") + ". The column " + required + " is required. Several sites or hosts are separated by spaces.",
		RunE: run(func(c client, args []string) error { return c.importFile(what, args[0]) }),
	}
}

func (c client) importFile(what, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > maxSheet { // Caddy would not let us finish sending it
		return errLargeSheet
	}
	answer, err := c.ask(http.MethodPost, "/affiliate/import/"+what, nil, file)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	last, err := c.followImport(answer.Body)
	if err != nil {
		return err
	}
	if c.json {
		err = writeRow(c.out, last)
	} else if last.Imported != nil {
		_, err = fmt.Fprintf(c.out, "imported %s into network %s\n",
			numbered(int64(*last.Imported), strings.TrimSuffix(what, "s"), what), printable(last.Network))
	}
	if err != nil || last.Imported != nil {
		return err
	}
	return importFault(last)
}

// errBrokeOff is all that is known of an import whose answer has no end: it may have been kept before the connection was lost.
var errBrokeOff = errors.New("the answer broke off, so it is not known whether anything was imported: it is all of the file or nothing, " +
	"and `caddy affiliate affiliate list` and `caddy affiliate link list` show which")

// followImport shows how far the import is, and returns the last line of its answer.
func (c client) followImport(answer io.Reader) (last importJSON, err error) {
	shown := false
	for lines := json.NewDecoder(answer); ; {
		var line importJSON
		switch err := lines.Decode(&line); {
		case err == io.EOF && (last.Imported != nil || last.Error != ""):
			if shown {
				fmt.Fprintln(c.err)
			}
			return last, nil
		case err == io.EOF:
			return last, errBrokeOff
		case err != nil:
			return last, fmt.Errorf("%w: %w", errBrokeOff, err)
		}
		last = line
		if line.Total > 0 {
			shown = true
			fmt.Fprintf(c.err, "\rimporting: %d of %d rows", line.Done, line.Total)
		}
	}
}

// importFault says row by row what is wrong.
func importFault(last importJSON) error {
	lines := []string{printable(last.Error)}
	for _, row := range last.Rows {
		text := fmt.Sprintf("  line %d: ", row.Line)
		if row.Field != "" {
			text += printable(row.Field) + ": "
		}
		lines = append(lines, text+printable(row.Message))
	}
	return errors.New(strings.Join(lines, "\n"))
}
