package main

import (
	"context"
	"log/slog"
	"strings"

	"wazuh-security-lake/config"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// copyTo is where the second copy goes, nil when none is configured.
func copyTo(c config.Copy) *relay.CopyTo {
	if c.OCSFJSON == "" {
		return nil
	}
	if dir, ok := strings.CutPrefix(c.OCSFJSON, "file://"); ok {
		return &relay.CopyTo{Destination: "file://" + strings.TrimSuffix(dir, "/")}
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(c.OCSFJSON, "s3://"), "/")
	return &relay.CopyTo{Destination: "s3://" + bucket, Prefix: prefix}
}

// upload ships until ctx ends or the spool can no longer be trusted; the second copy goes along and never ends it.
func (g *generation) upload(ctx context.Context) error {
	if g.copies == nil {
		return g.uploader.Run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if err := g.copies.Run(ctx); err != nil && ctx.Err() == nil {
			g.d.log.Error("shipping of the second copy has ended until the next start", "err", err)
		}
	}()
	err := g.uploader.Run(ctx)
	cancel()
	<-copied
	return err
}

// kick tries at once what waits for its next attempt.
func (g *generation) kick() {
	for _, u := range g.shipping() {
		u.Kick()
	}
}

// drainCopies ships the second copies that wait, when upload has ended.
func (g *generation) drainCopies(ctx context.Context) error {
	if g.copies == nil {
		return nil
	}
	return g.copies.Drain(ctx)
}

// shipCopies is the end of a drain: the lake has everything, the second copy gets as long as a stop takes and no longer.
func (g *generation) shipCopies() {
	ctx, cancel := context.WithTimeout(context.Background(), shipOnStop)
	defer cancel()
	if err := g.drainCopies(ctx); err != nil {
		g.d.log.Warn("second copies stay behind; they go after the next start", "err", err)
	}
}

// shipping is every uploader of a generation: that of the lake and, if there is one, that of the second copy.
type shipping []*uploader.Uploader

// Stats returns the sources of all of them.
func (s shipping) Stats() []uploader.SourceStats {
	var out []uploader.SourceStats
	for _, u := range s {
		out = append(out, u.Stats()...)
	}
	return out
}

// shipping lists the uploaders of the generation.
func (g *generation) shipping() shipping {
	if g.copies == nil {
		return shipping{g.uploader}
	}
	return shipping{g.uploader, g.copies}
}

// openCopies makes the uploader of the second copies. It is nil when none is configured and none is left from before. A
// provider role may not write outside of its source, so the copy never uses one: it has its own role or the daemon's own
// credentials. Encryption key and storage class of the lake are not those of another bucket either.
func openCopies(ctx context.Context, c config.Config, s *spool.Spool, log *slog.Logger, onAttempt func(uploader.Attempt)) (*uploader.Uploader, func() error, error) {
	waiting := s.Copies().Pending()
	to := copyTo(c.Copy)
	if to == nil && len(waiting) == 0 {
		return nil, nil, nil
	}
	if to == nil {
		to = &relay.CopyTo{Destination: waiting[0].Object.Destination}
	}
	opt := s3Options(c, log)
	opt.KMSKeyID, opt.StorageClass = "", ""
	if c.Copy.Region != "" {
		opt.Region = c.Copy.Region
	}
	opt.Sources = map[string]uploader.Role{relay.CopySource: {RoleARN: c.Copy.RoleARN, Region: opt.Region}}
	putter, err := uploader.Open(ctx, to.Destination, opt)
	if err != nil {
		return nil, nil, fail(exitConfig, "mend the copy and lake sections of the configuration", err)
	}
	return uploader.New(s.Copies(), putter, uploader.Options{Concurrency: 1, MaxRate: c.Upload.MaxRate.Bytes(), Log: log, OnAttempt: onAttempt}), putter.Close, nil
}
