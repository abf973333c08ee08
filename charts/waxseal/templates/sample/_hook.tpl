{{- /* The sample's objects cannot be ordinary parts of the release: Helm wants to know every kind before it installs the first object, and the kinds are
installed with the same release. They are hooks that run after it, and only for objects that do not exist: whoever uses a number does not want an
upgrade to make it anew, which would erase it. `hook-failed` instead of Helm's default, which deletes first, for the same reason. */}}
{{- define "waxseal.sample.annotations" -}}
helm.sh/hook: post-install,post-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: hook-failed
{{- end -}}

{{- /* Whether an object of ours is to be made: (list . "RetentionPolicy" namespace). Without the kind there is none. */}}
{{- define "waxseal.sample.missing" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 1 -}}
{{- if not ($root.Capabilities.APIVersions.Has (printf "waxseal.dev/v1alpha1/%s" $kind)) -}}
true
{{- else if not (lookup "waxseal.dev/v1alpha1" $kind (index . 2) $root.Values.sample.name) -}}
true
{{- end -}}
{{- end -}}
