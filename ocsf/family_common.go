package ocsf

func fillCommon(d *draft) {}
