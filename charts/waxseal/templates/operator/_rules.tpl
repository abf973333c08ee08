{{- /* What the operator may do. Every rule says why each verb is there; a verb without a reason is a mistake. No wildcard, and nothing that reads a Secret. */}}

{{- /* In every namespace whose numbers it looks after. */}}
{{- define "waxseal.rules.namespaced" -}}
# What people declare. get, list and watch: how a controller sees it.
- apiGroups: [waxseal.dev]
  resources: [businessaccounts]
  verbs: [get, list, watch]
# The same; patch sets and removes the finalizer that makes erasure happen. Nothing of a spec is ever written.
- apiGroups: [waxseal.dev]
  resources: [businessphonenumbers]
  verbs: [get, list, watch, patch]
# What the operator found: patch is server-side apply of a status. The sidecars' Roles pass the one on numbers on.
- apiGroups: [waxseal.dev]
  resources: [businessaccounts/status, businessphonenumbers/status]
  verbs: [patch]
# update lets children name their number as the owner that waits for them, where OwnerReferencesPermissionEnforcement is on (OpenShift).
- apiGroups: [waxseal.dev]
  resources: [businessphonenumbers/finalizers]
  verbs: [update]
# A number's objects: who the sidecar is, what it is told, where it is reached. create and patch: server-side apply. get, list and watch: drift is seen and
# repaired. delete: what is no longer asked for. The same six for everything that a number consists of.
- apiGroups: [""]
  resources: [serviceaccounts, configmaps, services]
  verbs: [get, list, watch, create, patch, delete]
# The six: the sidecars; watched also for how far a roll-out is.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The six: with more than one sidecar.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The six: whom the sidecars may talk to.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# The six: with `spec.autoscaling`.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# The six: the job that erases a deleted number; watched for its end.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# The six, for the sidecar's own rights: reading and writing the Secret with its keys, which the operator cannot do. Whoever grants a right that he does not
# have needs escalate (for the Role) and bind (for the RoleBinding). What may be granted so is pinned by a ValidatingAdmissionPolicy.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  verbs: [get, list, watch, create, patch, delete, escalate, bind]
# The six: gives the sidecar its Role.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# The Secret for a number's keys. create: empty, for the sidecar to fill. delete: destroys the keys when the number is erased. get, list, watch, patch and
# update would answer with content; so would some ways of deleting, which a ValidatingAdmissionPolicy refuses.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete]
# Why a sidecar does not run: no node in the region, an image that cannot be pulled. Read only.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{ include "waxseal.rules.events" . }}
{{- if .Values.rbac.serviceMonitors }}
# The six: numbers with `spec.serviceMonitor: Enabled`. Where the kind is missing, nothing of this is used.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.httpRoutes }}
# The six: numbers with `spec.httpRoute`. As for ServiceMonitors.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- end -}}

{{- /* What is told to people. */}}
{{- define "waxseal.rules.events" -}}
# What happened and what to do about it. create: a new event; patch: the same again, counted up.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- /* Cluster-scoped kinds. */}}
{{- define "waxseal.rules.cluster" -}}
# What platform and compliance teams declare. Read only.
- apiGroups: [waxseal.dev]
  resources: [dataregions, retentionpolicies]
  verbs: [get, list, watch]
# What the operator found about them: patch is server-side apply of a status.
- apiGroups: [waxseal.dev]
  resources: [dataregions/status, retentionpolicies/status]
  verbs: [patch]
{{- end -}}

{{- /* In its own namespace. */}}
{{- define "waxseal.rules.own" -}}
{{- if .Values.operator.leaderElection -}}
# Which replica works. A create cannot be limited to a name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
# get: who holds it; update and patch: take it, keep it, give it back.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "waxseal.fullname" . }}-operator]
  verbs: [get, update, patch]
{{ end -}}
{{ include "waxseal.rules.events" . }}
{{- end -}}
