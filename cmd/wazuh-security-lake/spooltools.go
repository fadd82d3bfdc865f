package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
)

func newSpool(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "Look at, verify and mend the batches on disk",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSpoolList(g), newSpoolVerify(g), newSpoolRequeue(g), newSpoolRetarget(g), newSpoolExport(g))
	return cmd
}

// spoolDir is the configured state directory.
func (g *global) spoolDir() (string, error) {
	loaded, err := g.read()
	if err != nil {
		return "", err
	}
	return loaded.Config.Spool.Dir, nil
}

// stateDir is the configured state directory, which must be there and readable.
func (g *global) stateDir() (string, error) {
	dir, err := g.spoolDir()
	if err == nil {
		_, err = readState(dir)
	}
	return dir, err
}

// withSpool opens the spool, which only works while no daemon holds it.
func (g *global) withSpool(do func(*spool.Spool) error) error {
	dir, err := g.spoolDir()
	if err != nil {
		return err
	}
	if _, err := spool.Read(dir); errors.Is(err, fs.ErrNotExist) { // Open would make one
		return stateFault(dir, err)
	}
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return toolFault(dir, err)
	}
	return errors.Join(do(s), s.Close())
}

func newSpoolList(g *global) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the batches on disk",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := g.spoolDir()
			if err != nil {
				return err
			}
			st, err := readState(dir)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(g.std.out)
				enc.SetIndent("", "  ")
				return enc.Encode(st)
			}
			t := tabwriter.NewWriter(g.std.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "batch\tplace\tsealed\trows\tobjects\tacked\tbytes\tproblem")
			for _, b := range st.Batches {
				sealed, rows, objects := "?", int64(0), 0
				if b.Manifest != nil {
					sealed, rows, objects = b.Manifest.Created, b.Manifest.Counts.Shipped, len(b.Manifest.Objects)
				}
				fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", b.Seq, b.Place, sealed, rows, objects, len(b.Acked), config.Size(b.Bytes), b.Problem)
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newSpoolVerify(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [BATCH...]",
		Short: "Hash every waiting object against its manifest",
		RunE: func(_ *cobra.Command, args []string) error {
			seqs, err := batchNumbers(args)
			if err != nil {
				return err
			}
			dir, err := g.spoolDir()
			if err != nil {
				return err
			}
			st, err := readState(dir)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				for _, b := range st.Batches {
					if b.Place == spool.Outbox || b.Place == spool.Quarantine {
						seqs = append(seqs, b.Seq)
					}
				}
			}
			bad := 0
			for _, seq := range seqs {
				faults, err := spool.Verify(dir, seq)
				if err != nil {
					return batchFault(err)
				}
				for _, f := range faults {
					fmt.Fprintf(g.std.out, "batch %d: %s: %v\n", seq, f.File, f.Err)
					bad++
				}
			}
			fmt.Fprintf(g.std.out, "%d batches verified, %d faults\n", len(seqs), bad)
			if bad > 0 {
				return fail(exitData, "the daemon moves such a batch to quarantine/ and records the gap; see status", errors.New("batches on disk are damaged"))
			}
			return nil
		},
	}
}

func newSpoolRequeue(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "requeue BATCH...",
		Short: "Bring mended batches back from quarantine (daemon stopped)",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			seqs, err := batchNumbers(args)
			if err != nil {
				return err
			}
			dir, err := g.spoolDir()
			if err != nil {
				return err
			}
			st, err := readState(dir)
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				if !slices.ContainsFunc(st.Batches, func(b spool.BatchInfo) bool { return b.Seq == seq && b.Place == spool.Quarantine }) {
					return fail(exitNoInput, "spool list shows the numbers", fmt.Errorf("batch %d is not in quarantine", seq))
				}
			}
			lock, err := backfill.Lock(dir)
			if err != nil {
				return backfillSpoolFault(dir, err)
			}
			defer lock.Close() //nolint:errcheck // the process ends
			return g.withSpool(func(s *spool.Spool) error {
				for _, seq := range seqs {
					if err := notReshipped(dir, seq); err != nil {
						return err
					}
					if err := s.Requeue(seq); err != nil {
						return fail(exitData, "spool verify names what is wrong with it", err)
					}
					fmt.Fprintf(g.std.out, "batch %d waits again\n", seq)
				}
				return nil
			})
		},
	}
}

func newSpoolRetarget(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "retarget FROM TO",
		Short: "Send waiting objects to another destination (daemon stopped)",
		Long: `Send waiting objects to another destination, for example
  wazuh-security-lake spool retarget s3://old-bucket s3://new-bucket
A changed configuration never does this by itself: waiting objects go where they were sealed for.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			to := config.Default()
			to.Lake.Destination, to.Lake.Region, to.Lake.AccountID = args[1], "us-east-1", "external" // only the destination is new
			if err := config.Validate(to); err != nil {
				return fail(exitUsage, "write TO as lake.destination: s3://BUCKET or file:///DIRECTORY", fmt.Errorf("to %s: %w", args[1], err))
			}
			return g.withSpool(func(s *spool.Spool) error {
				n, err := s.Retarget(args[0], args[1])
				if err != nil {
					return err
				}
				if n == 0 {
					return fail(exitNoInput, "write FROM as spool list --json shows it", fmt.Errorf("no waiting object goes to %s", args[0]))
				}
				fmt.Fprintf(g.std.out, "%d objects now go to %s\n", n, args[1])
				return nil
			})
		},
	}
}

func newSpoolExport(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "export BATCH DIR",
		Short: "Copy the files of one batch into a new directory",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			seqs, err := batchNumbers(args[:1])
			if err != nil {
				return err
			}
			dir, err := g.stateDir()
			if err != nil {
				return err
			}
			err = spool.Export(dir, seqs[0], args[1])
			if errors.Is(err, fs.ErrExist) {
				return fail(exitCantCreate, "name a directory that is not there yet", err)
			}
			return batchFault(err)
		},
	}
}

// batchFault is for a number that no batch has.
func batchFault(err error) error {
	if errors.Is(err, spool.ErrUnknownBatch) {
		return fail(exitNoInput, "spool list shows the numbers; a shipped batch has no files any more", fmt.Errorf("%w that waits or is in quarantine", err))
	}
	return err
}

func batchNumbers(args []string) ([]uint64, error) {
	var out []uint64
	for _, a := range args {
		n, err := strconv.ParseUint(a, 10, 64)
		if err != nil {
			return nil, fail(exitUsage, "spool list shows the numbers", fmt.Errorf("batch %q is not a number", a))
		}
		out = append(out, n)
	}
	return out, nil
}
